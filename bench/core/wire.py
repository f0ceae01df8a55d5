"""A wire to an RTSP camera that can be listened to: when a session was played, when it showed.

Everything passes unchanged, over TCP; what FFmpeg or Vedette make of it plays no part here.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

START_S = 10.0
READ_BYTES = 65536
# RFC 2326, 10.12: a frame of RTP between the answers begins so.
INTERLEAVED = 0x24
# RFC 6184: kinds of H.264 units, and of packets that hold several or a part of one.
PICTURE_OF_ITS_OWN = 5
SEVERAL = 24
PART = 28


@dataclass
class Session:
    """One client's session, in wall time (ms).

    Attributes:
        played_ms: The client asked for pictures.
        shown_ms: The first picture came from which decoding can begin.
    """

    played_ms: float | None = None
    shown_ms: float | None = None
    unread: bytearray = field(default_factory=bytearray)


@dataclass
class Wire:
    """The sessions so far, and the port where clients knock."""

    port: int = 0
    sessions: list[Session] = field(default_factory=list)


@contextmanager
def wire_to(port: int) -> Iterator[Wire]:
    """Give a wire to a camera on this machine."""
    wire, ready, loop = Wire(), threading.Event(), asyncio.new_event_loop()

    async def serve() -> None:
        async def client(asked: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
            await carry(asked, answer, wire, port)

        server = await asyncio.start_server(client, "127.0.0.1", 0)
        wire.port = server.sockets[0].getsockname()[1]
        ready.set()

    def run() -> None:
        loop.create_task(serve())
        loop.run_forever()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

    thread = threading.Thread(target=run, name="wire", daemon=True)
    thread.start()
    assert ready.wait(START_S)
    try:
        yield wire
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(START_S)


async def carry(
    asked: asyncio.StreamReader, answer: asyncio.StreamWriter, wire: Wire, port: int
) -> None:
    """Carry one client's session to the camera and back."""
    session = Session()
    wire.sessions.append(session)
    back, forth = await asyncio.open_connection("127.0.0.1", port)

    def note_request(passed: bytes) -> None:
        if passed.startswith(b"PLAY "):
            session.played_ms = time.time() * 1000

    def note_answer(passed: bytes) -> None:
        if session.shown_ms is None and shows(session.unread, passed):
            session.shown_ms = time.time() * 1000

    await asyncio.gather(
        pump(asked, forth, note_request), pump(back, answer, note_answer), return_exceptions=True
    )


async def pump(source, sink, note) -> None:  # type: ignore[no-untyped-def]
    """Pass on until either side has gone."""
    try:
        while passed := await source.read(READ_BYTES):
            note(passed)
            sink.write(passed)
            await sink.drain()
    finally:
        sink.close()


def shows(unread: bytearray, passed: bytes) -> bool:
    """Tell whether a picture begins in there from which decoding can begin."""
    unread += passed
    while len(unread) > 4:
        if unread[0] == INTERLEAVED:
            end = 4 + int.from_bytes(unread[2:4], "big")
            if len(unread) < end:
                return False
            found = unread[1] == 0 and begins_anew(bytes(unread[4:end]))
        else:
            end = end_of_answer(unread)
            if end is None:
                return False
            found = False
        del unread[:end]
        if found:
            return True
    return False


def end_of_answer(unread: bytearray) -> int | None:
    """Give where an answer ends, its body included; None where it is not whole."""
    head = unread.find(b"\r\n\r\n")
    if head < 0:
        return None
    length = 0
    for line in bytes(unread[:head]).split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    end = head + 4 + length
    return end if len(unread) >= end else None


def begins_anew(packet: bytes) -> bool:
    """Tell whether an RTP packet (RFC 3550) holds the beginning of a key frame of H.264."""
    at = 12 + 4 * (packet[0] & 0x0F)
    if packet[0] & 0x10:
        at += 4 + 4 * int.from_bytes(packet[at + 2 : at + 4], "big")
    kind = packet[at] & 0x1F
    if kind == PART:
        return packet[at + 1] & 0x1F == PICTURE_OF_ITS_OWN
    if kind != SEVERAL:
        return kind == PICTURE_OF_ITS_OWN
    at += 1
    while at + 2 < len(packet):
        if packet[at + 2] & 0x1F == PICTURE_OF_ITS_OWN:
            return True
        at += 2 + int.from_bytes(packet[at : at + 2], "big")
    return False
