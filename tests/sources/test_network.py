"""Files and streams over HTTP and UDP, against real servers and senders on loopback."""

from __future__ import annotations

import functools
import http.server
import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from socketserver import BaseRequestHandler
from typing import ClassVar

import av
import pytest

from clips import Clip, make, x264
from sources.reference import truth
from vedette.clock import SystemClock
from vedette.domain.errors import (
    SourceEnded,
    SourceRefused,
    SourceUnreachable,
    Stopped,
    StreamCause,
)
from vedette.domain.frame import Frame
from vedette.domain.packet import LOOK_AT_ALL
from vedette.runner.pacing import LivePacer
from vedette.settings import Settings
from vedette.sources.container import ContainerSource
from vedette.sources.http import HTTPSource
from vedette.sources.udp import UDPSource

QUICK = Settings(open_timeout_s=3, read_timeout_s=0.5)
ClipPath = Callable[[str], Path]


class _Quiet(http.server.SimpleHTTPRequestHandler):
    # 0: all; else send so many bytes and hang up.
    bytes_max = 0

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def copyfile(self, source: object, outputfile: object) -> None:
        try:
            if self.bytes_max:
                outputfile.write(source.read(self.bytes_max))  # type: ignore[attr-defined]
            else:
                super().copyfile(source, outputfile)  # type: ignore[arg-type]
        except ConnectionError:  # The reader had enough.
            pass


class _Broken(_Quiet):
    bytes_max = 30_000


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Serve a folder over HTTP; gives its address."""
    servers: list[http.server.ThreadingHTTPServer] = []

    def start(folder: Path | None, handler: Callable[..., BaseRequestHandler] = _Quiet) -> str:
        served = functools.partial(handler, directory=str(folder)) if folder else handler
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), served)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return f"http://ann:s3cret@127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def numbers(source: ContainerSource) -> list[int]:
    source.open()
    decoder = source.decoder()
    try:
        return [
            frame.number
            for packet in source.packets()
            for frame in decoder.frames(packet, LOOK_AT_ALL)
        ]
    finally:
        source.close()


@pytest.mark.parametrize("name", ["plain.mp4", "b-frames.mkv"])
def test_a_file_over_http_is_read_to_its_end(
    name: str, clip_path: ClipPath, serve: Callable[..., str]
) -> None:
    path = clip_path(name)
    source = HTTPSource(f"{serve(path.parent)}/{name}", QUICK)

    assert [look.number for look in truth(path)] == numbers(source)
    assert not source.live
    assert "s3cret" not in source.name
    assert source.name.endswith(f"/{name}")


def test_a_path_that_is_not_there_is_not_found(
    clip_path: ClipPath, serve: Callable[..., str]
) -> None:
    source = HTTPSource(f"{serve(clip_path('plain.mp4').parent)}/gone.mp4", QUICK)

    with pytest.raises(SourceRefused, match="404") as refused:
        source.open()

    assert StreamCause.NOT_FOUND is refused.value.cause
    assert "s3cret" not in f"{refused.value} {refused.value.__cause__}"


def test_a_page_is_no_video(tmp_path: Path, serve: Callable[..., str]) -> None:
    (tmp_path / "page.mp4").write_text("<html>hello</html>" * 100)
    source = HTTPSource(f"{serve(tmp_path)}/page.mp4", QUICK)

    with pytest.raises(SourceRefused, match="no video"):
        source.open()


def test_a_download_that_breaks_off_has_ended(
    clip_path: ClipPath, serve: Callable[..., str]
) -> None:
    source = HTTPSource(f"{serve(clip_path('b-frames.mkv').parent, _Broken)}/b-frames.mkv", QUICK)

    with pytest.raises(SourceEnded) as ended:
        numbers(source)

    assert StreamCause.SOURCE_ENDED is ended.value.cause


class _Stalling(http.server.BaseHTTPRequestHandler):
    """Sends the first bytes of a file of known length, and then nothing."""

    begin: ClassVar[bytes]
    length: ClassVar[int]
    over: ClassVar[threading.Event]

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(self.length))
        self.end_headers()
        self.wfile.write(self.begin)
        self.over.wait(240)


def test_a_source_closed_while_another_thread_opens_it_stops_that_thread(
    tmp_path: Path, serve: Callable[..., str]
) -> None:
    path = make(Clip("a.mp4", options=x264(keyint=12), mux={"movflags": "faststart"}), tmp_path)
    with av.open(str(path)) as clip:
        ends = [one.pos + one.size for one in clip.demux(video=0) if one.size]
    _Stalling.begin, _Stalling.length = path.read_bytes()[: ends[3]], path.stat().st_size
    _Stalling.over = threading.Event()
    source = HTTPSource(serve(None, _Stalling), Settings(open_timeout_s=5, read_timeout_s=2))
    raised: list[BaseException] = []

    def open_it() -> None:
        try:
            source.open()
        except Stopped as error:
            raised.append(error)

    opener = threading.Thread(target=open_it)
    opener.start()
    until_s = time.monotonic() + 4
    while source._container is None and time.monotonic() < until_s:
        time.sleep(0.01)
    looking_ahead = source._container is not None and opener.is_alive()
    source.close()
    opener.join(240)
    _Stalling.over.set()

    assert looking_ahead
    assert not opener.is_alive()
    assert len(raised) == 1
    assert source._container is None


def test_a_source_once_closed_is_not_opened(serve: Callable[..., str], tmp_path: Path) -> None:
    source = HTTPSource(f"{serve(tmp_path)}/a.mp4", QUICK)
    source.close()

    with pytest.raises(Stopped):
        source.open()


def test_an_https_address_that_speaks_no_tls_fails_as_tls(
    clip_path: ClipPath, serve: Callable[..., str]
) -> None:
    address = serve(clip_path("plain.mp4").parent).replace("http://", "https://")

    with pytest.raises(SourceUnreachable) as failed:
        HTTPSource(f"{address}/plain.mp4", QUICK).open()

    assert StreamCause.TLS_FAILED is failed.value.cause


def test_mpeg_ts_over_udp_is_live_and_stalls_when_the_sender_stops(clip_path: ClipPath) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    stop = threading.Event()
    sender = threading.Thread(target=_send, args=(clip_path("b-frames.ts"), port, stop))
    sender.start()
    source = UDPSource(f"udp://127.0.0.1:{port}", QUICK)
    taken: list[Frame] = []
    try:
        facts = source.open()
        decoder = source.decoder()
        pacer = LivePacer(None, SystemClock(), lag_max_s=5)

        def take_up() -> None:
            for packet in source.packets():
                taken.extend(decoder.frames(packet, pacer.judge(packet)))
                if len(taken) == 40:
                    stop.set()

        with pytest.raises(SourceUnreachable) as stalled:
            take_up()
    finally:
        stop.set()
        sender.join()
        source.close()

    assert facts.live
    assert (facts.width, facts.height) == (128, 96)
    assert len(taken) >= 40
    assert list(range(len(taken))) == [frame.number for frame in taken]
    assert StreamCause.STALLED is stalled.value.cause


class _MotionJPEG(http.server.BaseHTTPRequestHandler):
    """A cheap camera: JPEG after JPEG in one endless answer, here of two seconds."""

    pictures: ClassVar[list[bytes]] = []
    pause_s: ClassVar[float] = 0.02

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
        self.end_headers()
        for picture in self.pictures:
            head = f"--next\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
            self.wfile.write(head.encode() + picture + b"\r\n")
            time.sleep(self.pause_s)


def test_motion_jpeg_over_http_is_live_and_ends_when_the_camera_hangs_up(
    clip_path: ClipPath, serve: Callable[..., str]
) -> None:
    with av.open(str(clip_path("motion-jpeg.avi"))) as clip:
        _MotionJPEG.pictures = [bytes(packet) for packet in clip.demux(video=0) if packet.size]
    source = HTTPSource(serve(None, _MotionJPEG), QUICK)
    taken: list[Frame] = []
    facts = source.open()
    decoder = source.decoder()

    def take_up() -> None:
        for packet in source.packets():
            taken.extend(decoder.frames(packet, LOOK_AT_ALL))

    with pytest.raises(SourceEnded):
        take_up()
    source.close()

    assert facts.live
    assert [frame.number for frame in taken] == list(range(60))
    assert taken[0].captured_at is not None


class _SlowMotionJPEG(_MotionJPEG):
    pause_s = 0.2


def test_motion_jpeg_is_timed_by_its_arrival(
    clip_path: ClipPath, serve: Callable[..., str]
) -> None:
    with av.open(str(clip_path("motion-jpeg.avi"))) as clip:
        pictures = [bytes(packet) for packet in clip.demux(video=0) if packet.size]
    _SlowMotionJPEG.pictures = pictures[:15]
    source = HTTPSource(serve(None, _SlowMotionJPEG), QUICK)
    facts = source.open()
    decoder = source.decoder()
    times_s: list[float] = []

    def take_up() -> None:
        for packet in source.packets():
            times_s.extend(frame.pts_s for frame in decoder.frames(packet, LOOK_AT_ALL))

    with pytest.raises(SourceEnded):
        take_up()
    source.close()

    # The first few waited until it was clear what the stream is.
    assert facts.frame_rate is None
    assert len(times_s) == 15
    assert all(before < after for before, after in itertools.pairwise(times_s))
    assert times_s[14] - times_s[4] == pytest.approx(2.0, rel=0.2)


class _WithoutLength(_Quiet):
    def send_header(self, keyword: str, value: str) -> None:
        if keyword != "Content-Length":
            super().send_header(keyword, value)


def test_a_recording_of_known_length_is_finite_even_where_no_part_of_it_can_be_had(
    clip_path: ClipPath, serve: Callable[..., str]
) -> None:
    path = clip_path("b-frames.ts")
    finite = HTTPSource(f"{serve(path.parent)}/{path.name}", QUICK)
    endless = HTTPSource(f"{serve(path.parent, _WithoutLength)}/{path.name}", QUICK)

    assert [look.number for look in truth(path)] == numbers(finite)
    assert not finite.live
    assert endless.open().live
    endless.close()


def test_a_udp_port_to_which_nobody_sends_times_out() -> None:
    settings = Settings(open_timeout_s=0.5)

    with pytest.raises(SourceUnreachable) as failed:
        UDPSource("udp://127.0.0.1:1", settings).open()

    assert failed.value.cause in (StreamCause.TIMEOUT, StreamCause.CONNECTION_FAILED)


def _send(path: Path, port: int, stop: threading.Event) -> None:
    """Send a clip again and again, about four times as fast as it plays."""
    shift = 0
    url = f"udp://127.0.0.1:{port}?pkt_size=1316"
    with av.open(url, "w", format="mpegts") as out, av.open(str(path)) as clip:
        stream = clip.streams.video[0]
        sent = out.add_stream_from_template(stream)
        while not stop.is_set():
            last = shift
            for packet in clip.demux(stream):
                if packet.dts is None or stop.is_set():
                    continue
                packet.pts += shift
                packet.dts += shift
                last = packet.dts
                packet.stream = sent
                out.mux(packet)
                time.sleep(0.01)
            shift = last + 3600
            clip.seek(0)
