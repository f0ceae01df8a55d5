"""What all sources that FFmpeg opens have in common; each way in adds a few lines of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import ClassVar, cast

import av
import av.logging
from av.container import InputContainer
from av.error import FFmpegError

from vedette.clock import Clock, SystemClock
from vedette.domain.errors import (
    BadInput,
    DecodeFailed,
    SourceEnded,
    Stopped,
    StreamCause,
    VedetteError,
)
from vedette.domain.packet import Packet
from vedette.domain.stream import Position, StreamFacts
from vedette.settings import Settings
from vedette.sources.address import scheme_of, stream_name
from vedette.sources.base import Decoder, Source
from vedette.sources.decode import PacketDecoder, Payload
from vedette.sources.failures import bare, cut_off, open_failure, read_failure
from vedette.sources.nal import Syntax
from vedette.sources.pixels import quarter_turns
from vedette.sources.timeline import Timeline

# Demuxers of video files and streams. Not those that read other files or run a script (concat,
# image sequences, subtitles, ANSI art): a text file is no video.
VIDEO_FORMATS = (
    "mov,matroska,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,ivf,mxf,m4v,h264,hevc,mjpeg,av1,obu,nut,"
    "wtv,dv,rm,gif,yuv4mpegpipe,3dostr"
)
# Packets looked at ahead: whether they bear a PTS, and how the picture is turned.
_HEAD_PACKETS = 16
# Containers with an index of their own. In others a time may occur twice, and a seek go astray.
_SEEKABLE = ("mov", "matroska", "avi")
# A container's length and what was read may differ by this much without anything missing.
_LENGTH_SLACK_S = 1.0
_TIME_BASE_US = Fraction(1, 1_000_000)


class ContainerSource(Source):
    """A stream behind an address that FFmpeg opens.

    A subclass says by class attributes what FFmpeg may do and by `_check` what it checks before.
    """

    protocols: ClassVar[str]
    """FFmpeg's protocols that this source may use; it refuses all others."""
    formats: ClassVar[str] = VIDEO_FORMATS
    """FFmpeg's demuxers that this source may use."""
    format: ClassVar[str | None] = None
    """The demuxer to use; None: FFmpeg finds out."""
    live_by_nature: ClassVar[bool] = False
    """Pictures come at their own pace."""
    remote: ClassVar[bool] = False
    """It comes over a network, which may break off."""

    def __init__(self, address: str, settings: Settings, clock: Clock | None = None) -> None:
        self.name = stream_name(address)
        self.live = self.live_by_nature
        self.waits = self.live_by_nature
        self._address = address
        self._settings = settings
        self._clock = clock or SystemClock()
        self._container: InputContainer | None = None
        self._lock = threading.Lock()
        self._in_use = False
        self._is_codec_taken = False
        self._closed = threading.Event()

    def open(self, resume_at: Position | None = None) -> StreamFacts:
        with self._used():
            try:
                self._start()
                self._resumed_at: Position | None = None
                if resume_at is not None and not self.live and not self._seek(resume_at):
                    self._let_go()
                    self._start()
                facts = self._facts()
            except Exception:
                if self._closed.is_set():  # What fails then fails because of that.
                    raise self._stopped() from None
                raise
        if self._closed.is_set():
            raise self._stopped()
        return facts

    def packets(self) -> Iterator[Packet]:
        if self._closed.is_set():
            return
        assert self._container is not None, "open first"
        with self._used():
            for payload in self._payloads():
                if self._closed.is_set():
                    return
                if self._timeline.stamp(payload):
                    yield self._packet(payload)
            if self._closed.is_set():
                return
            if self.live:
                raise SourceEnded(
                    f"{self.name}: the stream ended; the other side closed it",
                    cause=StreamCause.SOURCE_ENDED,
                )
            yield Packet(None, None, None, self._time_base, False, False, 0)  # noqa: FBT003
            if not self._closed.is_set():
                self._check_whole()

    def decoder(self) -> Decoder:
        # The stream's own codec is as FFmpeg set it up; further decoders get one like it.
        codec = self._another_codec() if self._is_codec_taken else self._codec
        self._is_codec_taken = True
        return PacketDecoder(
            codec,
            self._syntax,
            name=self.name,
            live=self.live,
            settings=self._settings,
            by_order=self._timeline.by_order,
            resumed_at=self._resumed_at,
        )

    def close(self) -> None:
        """Let go; while another thread opens or reads, that thread does so as soon as it can."""
        with self._lock:
            self._closed.set()
            in_use = self._in_use
        if not in_use:
            self._let_go()

    @contextmanager
    def _used(self) -> Iterator[None]:
        """Keep `close` in another thread from freeing what FFmpeg works on here."""
        with self._lock:
            if self._closed.is_set():
                raise self._stopped()
            self._in_use = True
        try:
            yield
        finally:
            with self._lock:
                self._in_use = False
            if self._closed.is_set():
                self._let_go()

    def _stopped(self) -> Stopped:
        return Stopped(f"{self.name}: closed before it was open")

    # What a way in may say for itself.

    def _check(self) -> None:
        """Raise where the address cannot be one of this source."""

    def _url(self) -> str:
        return self._address

    def _options(self) -> dict[str, str]:
        """Give FFmpeg options of its own."""
        return {}

    def _is_live(self, container: InputContainer) -> bool:  # noqa: ARG002
        return self.live_by_nature

    def _tick(self, container: InputContainer) -> Fraction | None:  # noqa: ARG002
        """Give the time base of the packets, where it is not the stream's own."""
        return None

    def _time(self, payload: av.Packet[av.stream.Stream]) -> None:
        """Mend what FFmpeg says of the times of a packet that just came."""

    def _open_error(self, error: FFmpegError, waited_s: float) -> VedetteError:
        return open_failure(
            self.name,
            error,
            waited_s=waited_s,
            timeout_s=self._settings.open_timeout_s,
            tls=scheme_of(self._address) in ("rtsps", "https"),
        )

    # Opening.

    def _start(self) -> None:
        self._check()
        self._container = self._connect()
        try:
            self.live = self._is_live(self._container)
            self._stream = self._video_stream(self._container)
            self._set_up()
        except BaseException:
            self._let_go()
            raise

    def _connect(self) -> InputContainer:
        # What repeats is counted and told by us; FFmpeg would flood standard error.
        av.logging.set_libav_level(av.logging.PANIC)
        options = {
            "protocol_whitelist": self.protocols,
            "format_whitelist": self.formats,
            "max_pixels": str(self._settings.frame_pixels_max),
            **self._options(),
        }
        begun_s = self._clock.monotonic_s()
        try:
            return av.open(
                self._url(),
                format=self.format,
                options=options,
                timeout=(self._settings.open_timeout_s, self._settings.read_timeout_s),
            )
        except FFmpegError as error:
            failed = error
        waited_s = self._clock.monotonic_s() - begun_s
        # Outside of `except`: the original quotes the address, and must not hang on as context.
        try:
            raise self._open_error(failed, waited_s) from bare(failed)
        finally:
            del failed  # Else its traceback and this frame would keep each other.

    def _video_stream(self, container: InputContainer) -> av.VideoStream:
        pictures = av.stream.Disposition.attached_pic
        streams = [one for one in container.streams.video if not one.disposition & pictures]
        if not streams:
            there = "audio alone" if container.streams.audio else "nothing that moves"
            raise BadInput(f"{self.name}: holds no video, {there}")
        stream = streams[0]
        codec = stream.codec_context
        if codec is None:
            raise DecodeFailed(
                f"{self.name}: its video codec is unknown", cause=StreamCause.CODEC_UNSUPPORTED
            )
        if codec.width <= 0 or codec.height <= 0:
            raise BadInput(
                f"{self.name}: its pictures have no size, or are larger than "
                f"{self._settings.frame_pixels_max} pixels (VEDETTE_FRAME_PIXELS_MAX)"
            )
        if codec.width * codec.height > self._settings.frame_pixels_max:
            raise BadInput(
                f"{self.name}: its pictures are {codec.width}×{codec.height}, larger than "
                f"{self._settings.frame_pixels_max} pixels (VEDETTE_FRAME_PIXELS_MAX)"
            )
        return stream

    def _set_up(self) -> None:
        assert self._container is not None
        container, stream, codec = self._container, self._stream, self._stream.codec_context
        assert stream.time_base is not None
        self._time_base: Fraction = self._tick(container) or stream.time_base
        self._codec = codec
        self._is_codec_taken = False
        self._limit(codec)
        self._syntax = Syntax.of(codec.name, codec.extradata, reorders=codec.has_b_frames)
        rate = stream.average_rate or stream.guessed_rate
        self._timeline = Timeline(self._time_base, rate)
        self._end_s = 0.0
        self._demuxed = container.demux()
        self._head: list[Payload] = []
        # In these a damaged packet is one that is shorter than the container says.
        self._knows_sizes = container.format.name.startswith(("mov", "matroska", "avi"))
        self._turns = 0
        if not self.live:
            self._look_ahead(container)

    def _limit(self, codec: av.VideoCodecContext) -> None:
        codec.thread_count = 1  # Sources run beside each other; a decoder needs no threads.
        codec.options = {"max_pixels": str(self._settings.frame_pixels_max)}

    def _another_codec(self) -> av.VideoCodecContext:
        own = self._codec
        codec = cast("av.VideoCodecContext", av.CodecContext.create(own.codec, "r"))
        codec.extradata = own.extradata
        codec.width, codec.height = own.width, own.height
        if own.pix_fmt is not None:
            codec.pix_fmt = own.pix_fmt
        self._limit(codec)
        return codec

    def _look_ahead(self, container: InputContainer) -> None:
        for payload in self._read():
            self._head.append(payload)
            if len(self._head) >= _HEAD_PACKETS:
                break
        # AVI writes no PTS, and FFmpeg's guess for it is wrong where pictures are reordered.
        guessed = container.format.name == "avi" and self._syntax.may_reorder
        self._timeline.by_order = guessed or any(payload.pts is None for payload in self._head)
        if container.format.name.startswith(("mov", "matroska")):
            self._turns = self._probe_turns()

    def _probe_turns(self) -> int:
        """Decode the first picture: only there FFmpeg tells how it is to be turned."""
        depth = self._codec.reorder_depth
        try:
            for payload in [*self._head, None]:
                try:
                    pictures = self._codec.decode(payload)
                except FFmpegError:
                    continue
                if pictures:
                    return quarter_turns(pictures[0])
            return 0
        finally:
            self._codec.flush_buffers()
            self._codec.reorder_depth = depth

    def _facts(self) -> StreamFacts:
        assert self._container is not None
        stream, codec = self._stream, self._codec
        rate = stream.average_rate or stream.guessed_rate
        size = (codec.width, codec.height)
        width, height = size[::-1] if self._turns % 2 else size
        duration_s = None
        if stream.duration:
            duration_s = float(stream.duration * self._time_base)
        elif self._container.duration:
            duration_s = float(self._container.duration * _TIME_BASE_US)
        return StreamFacts(
            name=self.name,
            live=self.live,
            codec=codec.codec.canonical_name,
            width=width,
            height=height,
            time_base=self._time_base,
            frame_rate=float(rate) if rate else None,
            duration_s=None if self.live else duration_s,
            pictures=None if self.live else stream.frames or None,
        )

    def _seek(self, position: Position) -> bool:
        """Go to the restart picture of `position`; false where it is not found there."""
        wanted = position.restart_pts
        assert self._container is not None
        if wanted is None or not self._container.format.name.startswith(_SEEKABLE):
            return False
        try:
            self._container.seek(wanted, backward=True, stream=self._stream)
        except FFmpegError:
            return False
        self._demuxed = self._container.demux()
        self._head = []
        for payload in self._read():
            pts = payload.dts if self._timeline.by_order else payload.pts
            if pts == wanted and payload.is_keyframe:
                self._head = [payload]
                self._resumed_at = position
                return self._syntax.restarts(memoryview(payload))
            if payload.dts is not None and payload.dts > wanted:
                return False
        return False

    # Reading.

    def _payloads(self) -> Iterator[Payload]:
        head, self._head = self._head, []
        yield from head
        yield from self._read()

    def _read(self) -> Iterator[Payload]:
        """Yield the video's packets as FFmpeg gives them; ends where the stream ends."""
        while not self._closed.is_set():
            try:
                payload = next(self._demuxed, None)
            except FFmpegError as error:
                failed = error
            else:
                if payload is None or (payload.size == 0 and payload.dts is None):
                    return  # FFmpeg's own flush.
                if payload.is_corrupt and self._knows_sizes:
                    return  # The file ends in the middle of a packet.
                self._time(payload)
                self._note_end(payload)
                # An empty packet repeats the picture before it, and to a codec means the end.
                if payload.stream_index == self._stream.index and payload.size:
                    yield cast("Payload", payload)
                continue
            try:
                raise read_failure(
                    self.name, failed, live=self.live, remote=self.remote, end_s=self._end_s
                ) from bare(failed)
            finally:
                del failed  # Else its traceback and this frame would keep each other.

    def _note_end(self, payload: av.Packet[av.stream.Stream]) -> None:
        """Remember how far any stream of the container goes: a sound may outlast the video."""
        at = payload.pts if payload.pts is not None else payload.dts
        tick = payload.time_base  # Made anew at every asking.
        if at is not None and tick:
            end = at + (payload.duration or 0)
            self._end_s = max(self._end_s, end * tick.numerator / tick.denominator)

    def _packet(self, payload: Payload) -> Packet:
        picture = memoryview(payload)
        shown = self._timeline.shown(payload) and not self._syntax.hidden(picture)
        return Packet(
            payload=payload,
            pts=payload.pts,
            dts=payload.dts,
            time_base=self._time_base,
            # A position behind a break could not be found again in the container.
            restarts=shown
            and payload.is_keyframe
            and not self._timeline.broken
            and self._syntax.restarts(picture),
            shown=shown,
            size_bytes=payload.size,
            captured_at=self._clock.now() if self.live else None,
            arrived_mono_s=self._clock.monotonic_s() if self.live else None,
        )

    def _check_whole(self) -> None:
        """Raise if the container promises more than it held."""
        assert self._container is not None
        begin_s = float((self._container.start_time or 0) * _TIME_BASE_US)
        length_s = float((self._container.duration or 0) * _TIME_BASE_US)
        end_s = max(self._end_s - begin_s, 0.0)
        missing, promised = self._missing_count()
        if missing:
            what = f"cut off: {missing} of {promised} pictures are missing"
        elif length_s - end_s > _LENGTH_SLACK_S:
            what = f"cut off: it says it is {length_s:.2f} s long"
        else:
            return
        raise cut_off(self.name, what, remote=self.remote, end_s=end_s)

    def _missing_count(self) -> tuple[int, int]:
        """Count the pictures that the container's own list has and we did not get."""
        assert self._container is not None
        kind = self._container.format.name
        if self._resumed_at is not None:
            return 0, 0
        if kind.startswith("mov"):
            promised = len(self._stream.index_entries)
            return max(promised - self._timeline.delivered, 0), promised
        # AVI counts repeated pictures too, which are no packets; those are few.
        slack = float(self._stream.average_rate or 25) * _LENGTH_SLACK_S
        promised = self._stream.frames if kind == "avi" else 0
        missing = promised - self._timeline.delivered
        return (missing if missing > slack else 0), promised

    def _let_go(self) -> None:
        with self._lock:
            container, self._container = self._container, None
        if container is not None:
            container.close()
