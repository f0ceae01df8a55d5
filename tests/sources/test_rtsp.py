"""Cameras over RTSP, against a real server that is refused, silenced, frozen and killed."""

from __future__ import annotations

import itertools
import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from pace import Pace
from rtsp_server import RTSPServer
from vedette.clock import SystemClock
from vedette.domain.errors import (
    SourceEnded,
    SourceError,
    SourceRefused,
    SourceUnreachable,
    StreamCause,
)
from vedette.domain.frame import Frame, PixelFormat
from vedette.runner.pacing import LivePacer
from vedette.settings import Settings
from vedette.sources.rtsp import RTSPSource

PASSWORD = "s3cr@t"
QUICK = Settings(open_timeout_s=2, read_timeout_s=0.5)
# For cameras that are well, on a machine that may be busy.
PATIENT = Settings(open_timeout_s=30, read_timeout_s=30)
StartServer = Callable[..., RTSPServer]


def frames(url: str, settings: Settings = QUICK) -> Iterator[Frame]:
    """Take up a camera as the runner does."""
    source = RTSPSource(url, settings)
    with closing(source):
        source.open()
        decoder = source.decoder()
        pacer = LivePacer(None, SystemClock(), lag_max_s=5)
        for packet in source.packets():
            yield from decoder.frames(packet, pacer.judge(packet))


def failure(url: str) -> SourceError:
    """Open what cannot be opened, and look for the password wherever a person might."""
    with pytest.raises(SourceError) as failed:
        next(frames(url))
    shown = "".join(traceback.format_exception(failed.value))
    assert PASSWORD not in shown.replace(url, "")
    chain: BaseException | None = failed.value
    while chain is not None:
        assert PASSWORD not in str(chain)
        assert PASSWORD not in repr(chain.args)
        chain = chain.__cause__ or chain.__context__
    return failed.value


@pytest.mark.parametrize("codec", ["h264", "mjpeg"])
def test_a_camera_gives_frames_with_the_time_of_their_arrival(
    codec: str, start_rtsp_server: StartServer
) -> None:
    server = start_rtsp_server(codec=codec)
    begun_at = SystemClock().now()

    taken = [frame for frame, _ in zip(frames(server.url(), PATIENT), range(30), strict=False)]

    assert list(range(30)) == [frame.number for frame in taken]
    assert all(frame.captured_at is not None and begun_at <= frame.captured_at for frame in taken)
    steps = [after.pts_s - before.pts_s for before, after in itertools.pairwise(taken)]
    assert steps == pytest.approx([0.04] * 29, abs=0.03)
    picture = taken[-1].pixels(96, 64, PixelFormat.GRAY8)
    assert picture.max() > 200, "a white ball"
    assert picture.min() < 50, "on black"


def test_a_camera_with_a_password_lets_in_who_knows_it(start_rtsp_server: StartServer) -> None:
    server = start_rtsp_server(user="ann", password=PASSWORD)

    assert next(frames(server.url(user="ann", password=PASSWORD), PATIENT)).number == 0


@pytest.mark.parametrize(("user", "given"), [("ann", "wrong" + PASSWORD), ("", "")])
def test_a_wrong_or_missing_password_is_refused(
    user: str, given: str, start_rtsp_server: StartServer
) -> None:
    server = start_rtsp_server(user="ann", password=PASSWORD)

    refused = failure(server.url(user=user, password=given))

    assert isinstance(refused, SourceRefused)
    assert StreamCause.AUTH_FAILED is refused.cause


def test_a_path_that_is_not_there_is_not_found(start_rtsp_server: StartServer) -> None:
    refused = failure(start_rtsp_server().url("/nothing", user="ann", password=PASSWORD))

    assert isinstance(refused, SourceRefused)
    assert StreamCause.NOT_FOUND is refused.cause


def test_a_port_where_nobody_listens_refuses() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    unreachable = failure(f"rtsp://ann:{PASSWORD}@127.0.0.1:{port}/camera")

    assert isinstance(unreachable, SourceUnreachable)
    assert StreamCause.CONNECTION_FAILED is unreachable.cause
    assert f"127.0.0.1:{port}/camera" in str(unreachable)


@pytest.mark.parametrize("scheme", ["rtsp", "rtsps"])
def test_a_host_that_accepts_and_says_nothing_times_out(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, Pace() as pace:
        unreachable = failure(
            f"{scheme}://ann:{PASSWORD}@127.0.0.1:{silent.getsockname()[1]}/camera"
        )

    assert isinstance(unreachable, SourceUnreachable)
    assert StreamCause.TIMEOUT is unreachable.cause
    assert pace.kept(2 * QUICK.open_timeout_s + 1), pace


def test_a_camera_without_tls_fails_as_tls(start_rtsp_server: StartServer) -> None:
    server = start_rtsp_server()

    unreachable = failure(server.url(user="ann", password=PASSWORD).replace("rtsp://", "rtsps://"))

    assert isinstance(unreachable, SourceUnreachable)
    assert StreamCause.TLS_FAILED is unreachable.cause


def test_a_camera_that_freezes_is_stalled(start_rtsp_server: StartServer) -> None:
    server = start_rtsp_server()
    camera = frames(server.url())
    next(camera)

    server.freeze()
    with pytest.raises(SourceUnreachable) as stalled:
        for _ in camera:
            pass
    server.go_on()

    assert StreamCause.STALLED is stalled.value.cause


def test_a_camera_that_dies_midway_has_ended(start_rtsp_server: StartServer) -> None:
    server = start_rtsp_server()
    camera = frames(server.url())
    next(camera)

    server.kill()
    with pytest.raises(SourceEnded) as ended:
        for _ in camera:
            pass

    assert StreamCause.SOURCE_ENDED is ended.value.cause


def test_closing_from_another_thread_ends_a_frozen_camera_in_time(
    start_rtsp_server: StartServer,
) -> None:
    server = start_rtsp_server()
    source = RTSPSource(server.url(), QUICK)
    source.open()
    reading = threading.Event()
    ended: list[BaseException | None] = []

    def read() -> None:
        try:
            for _ in source.packets():
                reading.set()
            ended.append(None)
        except SourceError as error:
            ended.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    assert reading.wait(240)
    server.freeze()
    source.close()
    reader.join(2 * QUICK.read_timeout_s + 1)
    server.go_on()

    assert not reader.is_alive()
    assert ended == [None]
