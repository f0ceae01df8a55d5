"""One camera for many: a real RTSP server whose connections are counted from outside."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import ClassVar

import pytest

from clips import CLIPS
from pace import Pace
from rtsp_server import RTSPServer
from sources.reference import SHAPES, digest
from vedette.domain.errors import SourceError, SourceUnreachable, Stopped, StreamCause
from vedette.domain.frame import Frame
from vedette.domain.packet import LOOK_AT_ALL, Packet
from vedette.settings import Settings
from vedette.sources.base import Source
from vedette.sources.file import FileSource
from vedette.sources.rtsp import RTSPSource
from vedette.sources.shared import Switchboard

QUICK = Settings(open_timeout_s=2, read_timeout_s=0.5)
StartServer = Callable[..., RTSPServer]


def switchboard(ahead_max: int = 1024) -> Switchboard:
    return Switchboard(lambda address: RTSPSource(address, QUICK), ahead_max=ahead_max)


def connections(port: int) -> int:
    """Count who is connected to a port, as the kernel says."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    fields = [line.split() for line in lines]
    return sum(int(one[2].split(":")[1], 16) == port and one[3] == "01" for one in fields)


def gone(port: int) -> bool:
    """Wait until nobody is connected any more; False where somebody stays."""
    end_s = time.monotonic() + 5
    while connections(port) and time.monotonic() < end_s:
        time.sleep(0.02)
    return not connections(port)


def frames(source: Source) -> Iterator[Frame]:
    """Open, and take all pictures."""
    with closing(source):
        source.open()
        with closing(source.decoder()) as decoder:
            for packet in source.packets():
                yield from decoder.frames(packet, LOOK_AT_ALL)


def seen(frame: Frame) -> tuple[int, str]:
    """Give when a picture was shown, and what is on it."""
    return frame.pts, digest([frame.pixels(*shape) for shape in SHAPES])


@pytest.mark.parametrize("codec", ["h264", "mjpeg"])
def test_those_who_share_a_camera_open_it_once_and_see_the_same(
    codec: str, start_rtsp_server: StartServer
) -> None:
    server = start_rtsp_server(codec=codec)
    board = switchboard()

    def watch(_: int) -> list[tuple[int, str]]:
        return [seen(one) for one in islice(frames(board.source("a", server.url())), 60)]

    first = frames(board.source("a", server.url()))
    early = [seen(next(first)) for _ in range(10)]
    with ThreadPoolExecutor(3) as pool:
        others = pool.map(watch, range(3))
        early += [seen(one) for one in islice(first, 70)]
        assert connections(server.port) == 1
        late = list(others)
    first.close()

    pictures = dict(early)
    assert len({digest for _, digest in early}) > 40, "the ball moves"
    for one in late:
        common = [(pts, digest) for pts, digest in one if pts in pictures]
        assert len(common) > 20
        assert common == [(pts, pictures[pts]) for pts, _ in common]
        assert sorted(pts for pts, _ in one) == [pts for pts, _ in one]
    assert gone(server.port)
    assert board.open_count == 0


def test_a_camera_stays_open_as_long_as_one_watches(start_rtsp_server: StartServer) -> None:
    server = start_rtsp_server()
    board = switchboard()
    first, second = (frames(board.source("a", server.url())) for _ in range(2))
    next(first), next(second)

    first.close()

    assert len(list(islice(second, 30))) == 30
    assert connections(server.port) == 1
    second.close()
    assert gone(server.port)


def test_the_next_reader_after_the_last_opens_it_anew(start_rtsp_server: StartServer) -> None:
    server = start_rtsp_server()
    board = switchboard()

    for _ in range(5):
        assert len(list(islice(frames(board.source("a", server.url())), 3))) == 3
        assert connections(server.port) <= 1

    assert gone(server.port)


def test_other_cameras_and_other_tokens_have_connections_of_their_own(
    start_rtsp_server: StartServer,
) -> None:
    server = start_rtsp_server()
    board = switchboard()
    both = [frames(board.source(key, server.url())) for key in (("a", 1), ("a", 2))]

    for one in both:
        next(one)

    assert connections(server.port) == 2
    for one in both:
        one.close()
    assert gone(server.port)


class Tapped(RTSPSource):
    """Tells which pictures came from the camera."""

    came: ClassVar[list[int]] = []

    def packets(self) -> Iterator[Packet]:
        for packet in super().packets():
            if packet.shown and packet.pts is not None:
                self.came.append(packet.pts)
            yield packet


def test_a_slow_reader_loses_pictures_counted_and_holds_nobody_up(
    start_rtsp_server: StartServer,
) -> None:
    server = start_rtsp_server()
    board = Switchboard(lambda address: Tapped(address, QUICK), ahead_max=40)
    slow_source = board.source("a", server.url())
    slow_source.open()
    quick = [one.pts for one in islice(frames(board.source("a", server.url())), 120)]

    decoder = slow_source.decoder()
    taken: list[int] = []
    for packet in slow_source.packets():
        taken += [one.pts for one in decoder.frames(packet, LOOK_AT_ALL)]
        if len(taken) >= 70:
            break
    slow_source.close()

    came = sorted(Tapped.came)
    assert quick == came[came.index(quick[0]) :][:120]
    lost = [pts for pts in came if taken[0] <= pts <= taken[-1] and pts not in taken]
    assert decoder.skipped["late"] == len(lost) > 40
    assert decoder.read == len(taken) + len(lost)


def test_all_hear_that_a_camera_died(start_rtsp_server: StartServer) -> None:
    server = start_rtsp_server()
    board = switchboard()
    both = [frames(board.source("a", server.url())) for _ in range(2)]
    for one in both:
        next(one)

    server.kill()

    for one in both:
        with pytest.raises(SourceError) as died:
            list(one)
        assert died.value.cause is StreamCause.SOURCE_ENDED
    assert board.open_count == 0


def test_all_hear_that_a_camera_does_not_answer() -> None:
    board = switchboard()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"rtsp://127.0.0.1:{silent.getsockname()[1]}/camera"
        with Pace() as pace, ThreadPoolExecutor(3) as pool:
            tries = [pool.submit(board.source("a", url).open) for _ in range(3)]
            failures = [one.exception() for one in tries]

    assert all(isinstance(one, SourceUnreachable) for one in failures)
    assert len({id(one) for one in failures}) == 3, "each has a traceback of its own"
    assert pace.kept(2 * QUICK.open_timeout_s + 1), pace
    assert board.open_count == 0


def test_who_stops_while_it_opens_waits_for_nobody_and_takes_it_from_nobody() -> None:
    board = switchboard()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"rtsp://127.0.0.1:{silent.getsockname()[1]}/camera"
        leaving, staying = (board.source("a", url) for _ in range(2))
        with ThreadPoolExecutor(2) as pool:
            left, stayed = pool.submit(leaving.open), pool.submit(staying.open)
            while not board.open_count:
                time.sleep(0.01)
            time.sleep(0.2)
            with Pace() as pace:
                leaving.close()
                assert isinstance(left.exception(), Stopped)
            assert pace.kept(0.5), pace
            assert isinstance(stayed.exception(), SourceUnreachable)


def test_the_last_to_leave_waits_until_nothing_touches_the_camera() -> None:
    board = switchboard()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        source = board.source("a", f"rtsp://127.0.0.1:{silent.getsockname()[1]}/camera")
        with ThreadPoolExecutor(1) as pool:
            opening = pool.submit(source.open)
            while not board.open_count:
                time.sleep(0.01)
            source.close()
            assert isinstance(opening.exception(), Stopped)

    assert board.open_count == 0
    assert not [one for one in threading.enumerate() if one.name == "line"]


def test_a_source_closed_before_it_was_opened_opens_nothing(start_rtsp_server: StartServer) -> None:
    board = switchboard()
    source = board.source("a", start_rtsp_server().url())
    source.close()

    with pytest.raises(Stopped):
        source.open()
    assert board.open_count == 0


def test_files_are_not_shared(clip_path: Callable[[str], Path]) -> None:
    board = Switchboard(lambda address: FileSource(address, QUICK), ahead_max=4)

    assert isinstance(board.source("a", str(clip_path("plain.mp4"))), FileSource)


# How a film is to be turned stands in its container alone, and files are not shared.
@pytest.mark.parametrize("name", sorted(set(CLIPS) - {"rotated.mp4"}))
def test_a_further_decoder_gives_the_very_same_pictures(
    name: str, clip_path: Callable[[str], Path]
) -> None:
    with closing(FileSource(str(clip_path(name)), QUICK)) as source:
        source.open()
        decoders = [source.decoder() for _ in range(2)]
        looks: list[list[tuple[int, str]]] = [[], []]
        for packet in source.packets():
            for decoder, own in zip(decoders, looks, strict=True):
                own += [seen(one) for one in decoder.frames(packet, LOOK_AT_ALL)]

    assert looks[0] == looks[1]
    assert len(looks[0]) >= 50
