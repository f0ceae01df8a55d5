"""The relay: at least once, in order, and never before what it tells is committed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from orchestrator.world import LosingBus, World
from vedette.bus.base import Message
from vedette.domain.errors import BusUnavailable
from vedette.orchestrator.relay import send_waiting
from vedette.store.base import Transaction
from vedette.store.statements import outbox, scenarios


class ShutBus(LosingBus):
    """Its broker does not answer."""

    def publish(self, messages: Sequence[Message]) -> None:
        raise BusUnavailable(f"no broker for {len(messages)} messages")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    world = World(tmp_path, monkeypatch)
    yield world
    world.close()


def put(world: World, *payloads: str) -> None:
    def work(transaction: Transaction) -> None:
        for payload in payloads:
            outbox.add(transaction, "topic", "key", payload)

    world.store.write(work)


def payloads(bus: LosingBus) -> list[str]:
    return [one.payload for one in bus.said]


def test_messages_go_out_in_order_and_are_then_forgotten(world: World) -> None:
    put(world, "a", "b", "c")

    sent = [send_waiting(world.store, world.bus, 2) for _ in range(3)]

    assert (sent, payloads(world.bus)) == ([2, 1, 0], ["a", "b", "c"])


def test_messages_wait_for_a_bus_that_is_away_and_hold_nothing_up(world: World) -> None:
    put(world, "a")
    world.add("door")
    world.ask("door", scenarios.START)
    open_bus, world.bus = world.bus, ShutBus()

    world.another_orchestrator().run_once()
    assert world.state("door") == "init_startup"
    world.bus = open_bus
    world.another_orchestrator().run_once()

    assert payloads(open_bus)[0] == "a"
    assert len(world.notices()) == 1


def test_a_relay_that_was_killed_after_sending_sends_again(world: World) -> None:
    put(world, "a")

    class Killed(LosingBus):
        def publish(self, messages: Sequence[Message]) -> None:
            world.bus.publish(messages)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        send_waiting(world.store, Killed(), 9)
    send_waiting(world.store, world.bus, 9)

    assert payloads(world.bus) == ["a", "a"]


def test_what_was_undone_is_never_told(world: World) -> None:
    def undone(transaction: Transaction) -> None:
        outbox.add(transaction, "topic", "key", "never")
        raise KeyError

    with pytest.raises(KeyError):
        world.store.write(undone)

    assert send_waiting(world.store, world.bus, 9) == 0
