"""Uploaded videos: stored piece by piece, whole or not at all."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from vedette.blobs.files import FileBlobs
from vedette.store.schema import scenarios, sources

from .conftest import Running, until

BOUNDARY = "frontier"
KIND = f"multipart/form-data; boundary={BOUNDARY}"


def part(name: str, content: bytes, *, file: str | None = None) -> bytes:
    named = f'form-data; name="{name}"' + (f'; filename="{file}"' if file is not None else "")
    return f"--{BOUNDARY}\r\nContent-Disposition: {named}\r\n\r\n".encode() + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def send(server: Running, content: bytes | Iterator[bytes], **headers: str) -> httpx.Response:
    bears = {"content-type": KIND, **headers}
    return server.client.post("/scenario/", content=content, headers=bears)


def stored(server: Running) -> dict[str, int]:
    return {blob.key: blob.size_bytes for blob in server.blobs.list("uploads/")}


def unfinished(server: Running) -> list[str]:
    return [one.name for one in (server.folder / "blobs" / ".unfinished").iterdir()]


def written(server: Running) -> int:
    return server.store.read(lambda t: len(list(t.connection.execute(select(scenarios)))))


def test_a_video_is_stored_whole_and_its_scenario_reads_it(server: Running) -> None:
    video = os.urandom(3_000_000)

    answer = server.client.post(
        "/scenario/",
        files={"video": ("../my clip (1).mp4", video, "video/mp4")},
        data={"fps": "2", "classes": "person"},
    )

    shown = server.show(answer.json()["scenario_id"])
    address = server.store.read(
        lambda t: t.connection.execute(select(sources.c.address)).scalar_one()
    )
    assert answer.status_code == 202
    assert shown["source_name"] == "my-clip-1-.mp4"
    assert shown["source"]["address"] == "uploaded"
    assert shown["parameters"]["fps"] == 2
    assert address == f"blob:{next(iter(stored(server)))}"
    assert server.blobs.get(address.removeprefix("blob:")) == video


def test_a_large_video_is_never_whole_in_memory(server: Running) -> None:
    piece = os.urandom(1 << 20)
    count = 96
    digest = hashlib.sha256()

    def pieces() -> Iterator[bytes]:
        yield part("video", b"", file="a.mp4")[:-2]
        for _ in range(count):
            digest.update(piece)
            yield piece
        yield b"\r\n" + form()

    tracemalloc.start()
    try:
        answer = send(server, pieces())
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert answer.status_code == 202
    assert list(stored(server).values()) == [count << 20]
    assert peak_bytes < 24 << 20  # The video is 96 MiB; client and server share this process.


class SlowDisk(FileBlobs):
    """A disk that takes nothing until it is let."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.let = threading.Event()

    def put(self, key: str, content: bytes | Iterable[bytes]) -> int:
        assert self.let.wait(240)
        return super().put(key, content)


def test_who_sends_faster_than_the_disk_writes_is_made_to_wait(
    serve: Callable[..., Running],
) -> None:
    server = serve(make_blobs=SlowDisk)
    disk = server.blobs
    assert isinstance(disk, SlowDisk)
    sent: list[float] = []

    def pieces() -> Iterator[bytes]:
        yield part("video", b"", file="a.mp4")[:-2]
        for _ in range(64):
            sent.append(time.monotonic())
            yield b"x" * (1 << 20)
        yield b"\r\n" + form()

    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(send, server, pieces())
        until(lambda: bool(sent) and time.monotonic() - sent[-1] > 0.5)
        held_back = len(sent)
        disk.let.set()

        assert answer.result(240).status_code == 202
    assert held_back < 24  # Of 64; what the kernel's buffers hold is no memory of ours.
    assert list(stored(server).values()) == [64 << 20]


def test_a_cut_off_upload_leaves_nothing(server: Running) -> None:
    body = form(part("video", b"x" * 3_000_000, file="a.mp4"))
    head = (
        f"POST /scenario/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {KIND}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode()

    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(head + body[:2_500_000])
        until(lambda: bool(unfinished(server)))

    until(lambda: not unfinished(server))
    assert stored(server) == {}
    assert written(server) == 0


def test_a_silent_upload_is_given_up(serve: Callable[..., Running]) -> None:
    server = serve(upload_silence_s=0.2)
    head = (
        f"POST /scenario/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {KIND}\r\n"
        "Content-Length: 1000\r\n\r\n"
    ).encode()

    with socket.create_connection(("127.0.0.1", server.port), timeout=240) as connection:
        connection.sendall(head + part("video", b"x" * 10, file="a.mp4"))
        answer = b""
        while b"}" not in answer:
            answer += connection.recv(65536)

    assert answer.startswith(b"HTTP/1.1 400")
    assert b"CUT_OFF" in answer
    assert stored(server) == {} and unfinished(server) == []


def test_a_form_without_its_end_is_cut_off(server: Running) -> None:
    answer = send(server, part("video", b"x" * 100, file="a.mp4"))

    assert (answer.status_code, answer.json()["code"]) == (400, "CUT_OFF")
    assert stored(server) == {} and unfinished(server) == []


@pytest.mark.parametrize("honest", [True, False], ids=["announced", "found out"])
def test_a_video_over_the_limit_is_refused_and_leaves_nothing(
    serve: Callable[..., Running], honest: bool
) -> None:
    server = serve(upload_bytes_max=2_000_000)
    body = form(part("video", b"x" * 2_000_001, file="a.mp4"))

    answer = send(server, body if honest else iter([body]))

    assert (answer.status_code, answer.json()["code"]) == (413, "TOO_LARGE")
    assert stored(server) == {} and unfinished(server) == []
    exact = send(server, form(part("video", b"x" * 2_000_000, file="a.mp4")))
    assert exact.status_code == 202


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (form(part("video", b"x", file="a.mp4"), part("fps", b"0")), 422),
        (form(part("video", b"x", file="a.mp4"), part("what", b"0")), 422),
        (form(part("video", b"x", file="a.mp4"), part("scene", b"zones: {")), 422),
        (form(part("video", b"x", file="a.mp4"), part("url", b"synthetic://street")), 422),
        (form(part("video", b"x", file="a.mp4"), part("video", b"y", file="b.mp4")), 422),
        (form(part("other", b"x", file="a.mp4")), 422),
        (form(part("video", b"", file="a.mp4")), 422),
        (form(part("fps", b"1")), 422),
        (form(part("fps", b"\xff")), 400),
        (b"no form at all", 400),
        (b"", 400),
        (form(part("video", b"x", file="a.mp4"), part("url", b"x" * 1_100_000)), 413),
    ],
)
def test_a_wrong_form_is_refused_and_leaves_nothing(
    server: Running, content: bytes, status: int
) -> None:
    answer = send(server, content)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert stored(server) == {} and unfinished(server) == []
    assert written(server) == 0


def test_the_same_upload_with_the_same_key_is_kept_once(server: Running) -> None:
    same = form(part("video", b"x" * 100, file="a.mp4"))
    other = form(part("video", b"y" * 100, file="a.mp4"))

    first, again = (send(server, same, **{"Idempotency-Key": "k"}) for _ in range(2))
    refused = send(server, other, **{"Idempotency-Key": "k"})

    assert first.json() == again.json()
    assert refused.status_code == 409
    assert list(stored(server).values()) == [100]
    assert written(server) == 1


def test_other_bodies_are_bounded(serve: Callable[..., Running]) -> None:
    server = serve(body_bytes_max=1000)

    announced = server.client.post(
        "/api/v1/tasks", json={"kind": "a", "payload": {"x": "y" * 2000}}
    )
    found_out = server.client.post(
        "/scenario/", content=iter([b"x" * 2000]), headers={"content-type": "application/json"}
    )

    for answer in (announced, found_out):
        assert (answer.status_code, answer.json()["code"]) == (413, "TOO_LARGE")


def test_a_disk_that_takes_nothing_is_said(server: Running) -> None:
    hidden = server.folder / "blobs" / ".unfinished"
    hidden.rmdir()
    hidden.write_bytes(b"in the way")

    answer = send(server, form(part("video", b"x" * 5_000_000, file="a.mp4")))

    assert (answer.status_code, answer.json()["code"]) == (503, "BLOBS_UNAVAILABLE")
    assert answer.headers["retry-after"] == "1"
    assert written(server) == 0
