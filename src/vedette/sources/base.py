"""The door of the sources: packets come out of a `Source`, frames out of its `Decoder`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from typing import ClassVar

from vedette.domain.frame import Frame
from vedette.domain.packet import Packet, Verdict
from vedette.domain.stream import Position, StreamFacts


class Decoder(ABC):
    """Turns packets into frames, as far as the verdicts ask for them.

    For one thread. A decoder is never given a packet whose references it was not given: after
    packets on `hold` come those packets in order, or the next one that restarts.

    Attributes:
        read: Pictures whose packets were given so far, and those before the place it resumed at.
        skipped: Pictures that became no frame, by stage: `pacing` (left out on purpose),
            `late` (left out to stay live), `undecodable` (their bytes were no picture).
    """

    read: int
    skipped: Counter[str]

    @abstractmethod
    def frames(self, packet: Packet, verdict: Verdict) -> Iterator[Frame]:
        """Give the wished frames that are ready, in presentation order.

        Take all frames of one call before the next call.

        Raises:
            DecodeFailed: nothing of the stream can be decoded, or its pictures are absurdly big.
        """

    @abstractmethod
    def position(self, frame: Frame) -> Position:
        """Tell where `frame`, a frame this decoder gave out not long ago, stands."""

    @abstractmethod
    def close(self) -> None:
        """Free the codec; may be called twice."""


class Source(ABC):
    """Opens a stream and yields its packets: one straight road that raises, no retry inside.

    Attributes:
        name: For people and rows; never holds a password.
        live: True where pictures do not wait for us.
        waits: True where a packet may be long in coming; a thread of its own reads it then.
        surely_live: True where that is known before it is opened.
    """

    surely_live: ClassVar[bool] = False

    name: str
    live: bool
    waits: bool

    def call(self, name: str) -> None:
        """Name it so from now on, in errors too: where it lies may be nobody's business."""
        self.name = name

    @abstractmethod
    def open(self, resume_at: Position | None = None) -> StreamFacts:
        """Connect and read what the stream says of itself; bounded by the open timeout.

        Args:
            resume_at: Finite source: begin where this position says, or before it; the decoder
                numbers pictures as if read from the start.

        Raises:
            BadInput: what was named is no video (missing, empty, a folder, audio alone).
            SourceUnreachable, SourceRefused: the other side does not answer, or says no.
            Stopped: `close` was called before, or meanwhile.
        """

    @abstractmethod
    def packets(self) -> Iterator[Packet]:
        """Yield packets in decoding order; a finite source's last one is the flush.

        Blocks at most the read timeout per packet.

        Raises:
            SourceEnded: a live stream stopped, or a file is shorter than it says.
            SourceUnreachable: a stream fell silent.
        """

    @abstractmethod
    def decoder(self) -> Decoder:
        """Give a decoder for the open stream."""

    @abstractmethod
    def close(self) -> None:
        """Let go of file, socket or child; may be called twice, and before `open`.

        May be called while another thread is in `open` or `packets`: that thread then lets go,
        after its present packet or its timeout, whichever comes first.
        """
