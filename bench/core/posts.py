"""Commands over HTTP: accepted per second, against a POST that does nothing on the same stack.

Both servers are processes of their own, as `vedette api` is; the clients are plain sockets that
stay open, so that next to nothing of what is measured is theirs.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Self
from urllib.parse import urlsplit

from bench.core.deployment import deployment, start_program
from bench.core.rest import register, scenario_of
from bench.report import Row, row_of

CLIENTS = 8
POSTS = 1000
ANSWER_BYTES = 65536
PATIENCE_S = 30.0
# They load what they need with their first answers.
WARM = 50


def post_rows(repeats: int) -> list[Row]:
    """Give the rates of both, taken in turns."""
    accepted, ratios, decided = [], [], []
    for _ in range(repeats):
        with start_program("bench.core.idle_post") as (_, port):
            idle = posted_rate(int(port), lambda _: "/nothing", 200)
        with deployment() as house:
            for at in range(0, WARM + POSTS, 1000):
                house.store.write(partial(register, range(at, min(at + 1000, WARM + POSTS))))
            house.start("orchestrator")
            house.start_api()
            port = urlsplit(house.url).port
            assert port is not None
            accepted.append(posted_rate(port, start_of, 202))
            with start_program("bench.core.idle_post") as (_, other):
                idle_after = posted_rate(int(other), lambda _: "/nothing", 200)
        ratios.append(accepted[-1] / ((idle + idle_after) / 2))
        decided.append((idle + idle_after) / 2)
    return [
        row_of("POST that does nothing", decided, "1/s"),
        row_of("POST /scenario/{id}/?command=start", accepted, "1/s"),
        row_of("POST start / POST that does nothing", ratios, "ratio", ">= 0.3"),
    ]


def start_of(number: int) -> str:
    """Give the path that starts one of the scenarios at rest."""
    return f"/scenario/{scenario_of(number)[0]}/?command=start"


def posted_rate(port: int, path_of: Callable[[int], str], status: int) -> float:
    """Post from several clients at once; give answers per second, all of them as expected."""
    for number in range(WARM):
        with Client(port) as client:
            assert client.post(path_of(POSTS + number)) == status
    numbers = iter(range(POSTS))
    lock = threading.Lock()
    answered: list[int] = []

    def body() -> None:
        with Client(port) as client:
            while (number := taken(numbers, lock)) is not None:
                answered.append(client.post(path_of(number)))

    clients = [threading.Thread(target=body) for _ in range(CLIENTS)]
    started = time.perf_counter()
    for one in clients:
        one.start()
    for one in clients:
        one.join()
    took_s = time.perf_counter() - started
    assert answered == [status] * POSTS, set(answered)
    return POSTS / took_s


def taken(numbers: Iterator[int], lock: threading.Lock) -> int | None:
    """Give the next number, or None."""
    with lock:
        return next(numbers, None)


class Client:
    """A connection that stays open."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._host = f"127.0.0.1:{port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def post(self, path: str) -> int:
        """Post nothing; give the status."""
        self._socket.sendall(
            f"POST {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Length: 0\r\n\r\n".encode()
        )
        answer = b""
        while not whole(answer):
            passed = self._socket.recv(ANSWER_BYTES)
            assert passed, f"{path}: cut off after {answer!r}"
            answer += passed
        return int(answer.split(b" ", 2)[1])


def whole(answer: bytes) -> bool:
    """Tell whether an answer is there with its body."""
    head, parted, body = answer.partition(b"\r\n\r\n")
    if not parted:
        return False
    (length,) = [
        int(line.partition(b":")[2])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    ]
    return len(body) >= length
