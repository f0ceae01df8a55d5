"""The relay: sends what waits in the outbox over the bus, at least once and in order."""

from __future__ import annotations

from functools import partial

from vedette.bus.base import Bus, Message
from vedette.store.base import Store
from vedette.store.statements import outbox


def send_waiting(store: Store, bus: Bus, limit: int) -> int:
    """Send up to `limit` messages and forget them; give how many.

    Whoever is killed in between sends them again: receivers know a message by the id in it.

    Raises:
        StoreUnavailable: the store does not answer.
        BusUnavailable: the broker does not answer; the messages go on waiting.
    """
    waiting = store.read(partial(outbox.waiting, limit=limit))
    if not waiting:
        return 0
    bus.publish([Message(one.topic, one.key, one.payload) for one in waiting])
    store.write(partial(outbox.drop, ids=[one.id for one in waiting]))
    return len(waiting)
