"""Every source answers the same questions: one suite for all ways in."""

from __future__ import annotations

import functools
import http.server
import itertools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from parts import need
from rtsp_server import RTSPServer, missing
from vedette.domain.frame import Frame, PixelFormat
from vedette.domain.packet import LOOK_AT_ALL, Packet
from vedette.settings import Settings
from vedette.sources.base import Source
from vedette.sources.file import FileSource
from vedette.sources.http import HTTPSource
from vedette.sources.rtsp import RTSPSource

ENOUGH = 20
MakeSource = Callable[[], Source]


class _Files(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def http_address(clip_path: Callable[[str], Path]) -> Iterator[str]:
    path = clip_path("plain.mp4")
    handler = functools.partial(_Files, directory=str(path.parent))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/plain.mp4"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def rtsp_server() -> Iterator[RTSPServer]:
    need("rtsp", not missing(), missing())
    server = RTSPServer()
    yield server
    server.kill()


@pytest.fixture(params=["file", "http", "rtsp"])
def make_source(request: pytest.FixtureRequest) -> MakeSource:
    """Give a maker of sources of one kind, not yet open."""
    settings = Settings(open_timeout_s=3, read_timeout_s=3)
    if request.param == "file":
        path = request.getfixturevalue("clip_path")("b-frames.mkv")
        return lambda: FileSource(str(path), settings)
    if request.param == "http":
        address = request.getfixturevalue("http_address")
        return lambda: HTTPSource(address, settings)
    server = request.getfixturevalue("rtsp_server")
    return lambda: RTSPSource(server.url(), settings)


@pytest.fixture
def source(make_source: MakeSource) -> Iterator[Source]:
    one = make_source()
    yield one
    one.close()


def some_packets(source: Source) -> list[Packet]:
    return list(itertools.islice(source.packets(), ENOUGH))


def some_frames(source: Source) -> list[Frame]:
    decoder = source.decoder()
    return [
        frame for packet in some_packets(source) for frame in decoder.frames(packet, LOOK_AT_ALL)
    ]


def test_it_has_a_name_before_it_is_open(source: Source) -> None:
    assert source.name


def test_it_says_what_it_found(source: Source) -> None:
    facts = source.open()

    assert facts.name == source.name
    assert facts.live == source.live
    assert facts.codec == "h264"
    assert facts.width > 0
    assert facts.height > 0
    assert facts.frame_rate == pytest.approx(25)
    assert (facts.duration_s is None) == facts.live


def test_its_packets_are_encoded_pictures_beginning_where_decoding_can(source: Source) -> None:
    source.open()

    packets = some_packets(source)

    assert packets[0].restarts or packets[0].pts is None  # RTSP gives its first picture no PTS.
    assert all(packet.size_bytes > 0 and not packet.is_flush for packet in packets)
    decoding_times = [packet.dts for packet in packets if packet.dts is not None]
    assert sorted(set(decoding_times)) == decoding_times


def test_live_packets_bear_the_time_of_their_arrival_and_others_none(source: Source) -> None:
    live = source.open().live

    packets = some_packets(source)

    assert all((packet.captured_at is not None) == live for packet in packets)
    assert all((packet.arrived_mono_s is not None) == live for packet in packets)


def test_its_frames_come_in_order_and_say_when(source: Source) -> None:
    facts = source.open()

    frames = some_frames(source)

    assert len(frames) > ENOUGH / 2
    assert [frame.number for frame in frames] == list(range(len(frames)))
    assert frames[0].pts_s == 0
    assert all(before.pts < after.pts for before, after in itertools.pairwise(frames))
    assert all((frame.captured_at is not None) == facts.live for frame in frames)
    assert all((frame.width, frame.height) == (facts.width, facts.height) for frame in frames)
    assert np.ptp(frames[-1].pixels(32, 32, PixelFormat.GRAY8)) > 50


def test_every_picture_read_was_looked_at_or_counted_as_skipped(source: Source) -> None:
    source.open()
    decoder = source.decoder()
    looks = 0

    for packet in itertools.islice(source.packets(), ENOUGH):
        looks += len(list(decoder.frames(packet, LOOK_AT_ALL)))

    # The codec still has a few pictures in hand.
    assert decoder.read - 4 <= looks + sum(decoder.skipped.values()) <= decoder.read


def test_it_may_be_closed_before_it_is_open_and_twice(make_source: MakeSource) -> None:
    source = make_source()

    source.close()
    source.close()


def test_closed_while_it_is_read_it_gives_no_more_packets(source: Source) -> None:
    source.open()
    packets = source.packets()
    next(packets)

    source.close()

    assert list(packets) == []
    source.close()
