"""A process that talks over a bus: `bus_child.py ENGINE PLACE VERB …`; one word a line on stdout.

`echo` says again on topic `answers` what it hears on `asks`, key and payload alike. `hear TOPIC…`
prints `topic key payload` of what it hears. `say TOPIC KEY FIRST LAST` says numbers. All but `say`
print `ready` when they listen and end with their standard input.
"""

from __future__ import annotations

import sys
from pathlib import Path

from vedette.bus.base import Bus, Message
from vedette.bus.local import LocalBus


def open_bus(engine: str, place: str) -> Bus:
    """Open a bus of that engine; two of one place hear each other."""
    assert engine == "local"
    return LocalBus(Path(place))


def main(engine: str, place: str, verb: str, *words: str) -> None:
    bus = open_bus(engine, place)
    if verb == "say":
        topic, key, first, last = words
        for number in range(int(first), int(last)):
            bus.publish([Message(topic, key, str(number))])
    else:
        if verb == "echo":
            bus.subscribe(
                ["asks"], lambda it: bus.publish([Message("answers", it.key, it.payload)])
            )
        else:
            bus.subscribe(words, lambda it: print(it.topic, it.key, it.payload, flush=True))
        print("ready", flush=True)
        sys.stdin.read()
    bus.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
