"""The built-in scene as a source: rendered and encoded here, then read back like any video.

A thread paints the street, encodes it to H.264 and writes an MP4 into a bounded pipe; the source
opens the other end of that pipe as it would a file. So what the scene proves, the real road proves.
"""

from __future__ import annotations

import threading
from dataclasses import replace

import av
from av.container import InputContainer
from av.error import FFmpegError

from vedette.clock import Clock
from vedette.domain.errors import SourceEnded, SourceError, StreamCause
from vedette.domain.stream import Position, StreamFacts
from vedette.settings import Settings
from vedette.sources.container import ContainerSource
from vedette.sources.street.encoder import write_film
from vedette.sources.street.parameters import StreetParameters, parse_street
from vedette.sources.street.pipe import Pipe
from vedette.sources.street.truth import truth
from vedette.threads import begin

__all__ = ["SyntheticSource", "truth"]

# One picture takes far less; painting the empty street, at the start, a few seconds at 4K.
_STOP_WAIT_S = 30.0


class SyntheticSource(ContainerSource):
    """`synthetic://street?people=6&vehicles=3&seed=1&seconds=30&fps=15&width=1280&height=720`.

    A finite source of known length that cannot seek: resuming reads from the start.
    """

    protocols = ""
    formats = "mov"

    def __init__(self, address: str, settings: Settings, clock: Clock | None = None) -> None:
        """Check the address.

        Raises:
            BadInput: there is no such scene, or a parameter is wrong; says what is allowed.
        """
        self.parameters: StreetParameters = parse_street(address)
        super().__init__(address, settings, clock)
        self.waits = True  # For its maker.
        self._maker: _Maker | None = None

    def open(self, resume_at: Position | None = None) -> StreamFacts:  # noqa: ARG002
        # A pipe cannot seek: whoever resumes gets all from the start.
        return super().open(None)

    def close(self) -> None:
        with self._lock:
            self._closed.set()  # From here on no maker begins.
            maker, self._maker = self._maker, None
        if maker is not None:
            maker.pipe.shut()  # First: a reader that waits for a picture waits no more.
        super().close()
        if maker is not None:
            maker.stop()

    def _connect(self) -> InputContainer:
        av.logging.set_libav_level(av.logging.PANIC)
        with self._lock:
            if self._closed.is_set():
                raise self._stopped()
            self._maker = maker = _Maker(self.parameters)
        try:
            return av.open(maker.pipe, "r", format="mov", buffer_size=32768)
        except FFmpegError as error:
            maker.stop()
            raise self._broken_off(maker, 0) from maker.failure or error
        except BaseException:
            maker.stop()
            raise

    def _check_whole(self) -> None:
        maker = self._maker
        if maker is not None and self._timeline.delivered < self.parameters.pictures:
            maker.stop()
            raise self._broken_off(maker, self._timeline.delivered) from maker.failure

    def _broken_off(self, maker: _Maker, made: int) -> SourceError:
        why = f"{type(maker.failure).__name__} {maker.failure}" if maker.failure else "it hangs"
        return SourceEnded(
            f"{self.name}: the making of the scene broke off after {made} of "
            f"{self.parameters.pictures} pictures ({why.strip()})",
            cause=StreamCause.SOURCE_ENDED,
        )

    def _facts(self) -> StreamFacts:
        # A film that is written while it is read cannot say in its head how long it will be.
        return replace(
            super()._facts(),
            frame_rate=float(self.parameters.fps),
            duration_s=float(self.parameters.seconds),
            pictures=self.parameters.pictures,
        )


class _Maker:
    """The thread that makes the film."""

    def __init__(self, parameters: StreetParameters) -> None:
        self.pipe = Pipe()
        self.failure: Exception | None = None
        self._parameters = parameters
        self._thread = threading.Thread(target=self._run, name="synthetic-street", daemon=True)
        begin(self._thread)

    def stop(self) -> None:
        """End the film where it is, and wait until the thread is gone."""
        self.pipe.shut()
        self._thread.join(_STOP_WAIT_S)

    def _run(self) -> None:
        try:
            write_film(self._parameters, self.pipe, wanted=lambda: self.pipe.wanted)
        except Exception as error:  # noqa: BLE001  (told by the thread that reads)
            self.failure = error
        finally:
            self.pipe.end()
