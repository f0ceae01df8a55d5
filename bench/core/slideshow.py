"""Cameras that show a picture now and then: motion JPEG over HTTP, as many as are asked for.

python -m bench.core.slideshow PERIOD_S     prints its port and serves until it is ended

Each connection is a camera of its own. The first pictures come at once, as FFmpeg wants to see four
before it believes in a stream; from then on one per period, at a moment of the period that is the
connection's own.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np

from bench.core.deployment import start_program

FIRST = 4
HEIGHT, WIDTH = 48, 64
HEAD = b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=next\r\n\r\n"
PART = b"--next\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n"


@contextmanager
def slideshow(*, period_s: float) -> Iterator[int]:
    """Give the port of a server in a process of its own."""
    with start_program("bench.core.slideshow", str(period_s)) as (_, port):
        yield int(port)


def address_of(port: int, number: int) -> str:
    """Give the address of one of its cameras."""
    return f"http://127.0.0.1:{port}/{number}.mjpeg"


def pictures() -> list[bytes]:
    """Give pictures, each as a part of the stream, that are not alike."""
    chance = np.random.default_rng(1)
    parts = []
    for _ in range(8):
        picture = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
        left, top = chance.integers(0, (WIDTH - 12, HEIGHT - 16))
        picture[top : top + 16, left : left + 12] = chance.integers(0, 255, 3)
        _, jpeg = cv2.imencode(".jpg", picture)
        parts.append(PART % (len(jpeg), jpeg.tobytes()))
    return parts


async def serve(period_s: float) -> None:
    """Serve cameras on a port of the system's choice."""
    shown = pictures()
    chance = random.Random(3)

    async def camera(asked: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        while await asked.readline() not in {b"\r\n", b""}:
            pass
        phase = chance.random()
        try:
            answer.write(HEAD + b"".join(shown[:FIRST]))
            await answer.drain()
            await asyncio.sleep(phase * period_s)
            number = FIRST
            while True:
                answer.write(shown[number % len(shown)])
                await answer.drain()
                number += 1
                await asyncio.sleep(period_s)
        except OSError:
            pass  # Whoever watched has gone.
        finally:
            answer.close()

    server = await asyncio.start_server(camera, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[1])))
