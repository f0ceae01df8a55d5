"""The door of the bus: what is said. It only wakes people up; the store is the truth."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vedette.domain.errors import BusUnavailable

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Message:
    """Something said.

    Attributes:
        topic: Where; a topic of `bus/topics.py`.
        key: Messages of one key keep their order.
        payload: JSON text; may be empty where the saying is all.
    """

    topic: str
    key: str = ""
    payload: str = ""


class Bus(ABC):
    """Carries messages between roles; may lose, double and delay them. For any thread."""

    @abstractmethod
    def publish(self, messages: Sequence[Message]) -> None:
        """Say something to whoever listens, in other processes too; never waits for a listener.

        Raises:
            BusUnavailable: the broker does not answer.
        """

    @abstractmethod
    def subscribe(
        self, topics: Sequence[str], heard: Callable[[Message], None]
    ) -> Callable[[], None]:
        """Have `heard` called with every message of these topics; gives what ends it.

        `heard` is called in a thread of the bus (or of who publishes in this process), one call at
        a time per subscription, and has to return at once.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go; may be called twice."""


def wake(bus: Bus, message: Message) -> None:
    """Say something that harms nobody if it is lost: who is not woken finds it by looking."""
    try:
        bus.publish([message])
    except BusUnavailable as error:
        # The orchestrator, which says most, warns of it.
        log.debug("nobody was woken: %s", error)
