"""The embedded engine: datagrams between the processes of one machine that share a data directory.

Each bus binds a socket of its own in `folder/bus`; whoever publishes sends to every socket there.
There is no daemon and nothing to recover: the socket of a dead process refuses, and is swept away.
A listener whose queue is full loses messages; it never holds up whoever publishes.
"""

from __future__ import annotations

import errno
import logging
import os
import secrets
import socket
import stat
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from vedette.bus.base import Bus, Message
from vedette.domain.errors import BusUnavailable, MessageUnreadable
from vedette.telemetry import Repeats

log = logging.getLogger(__name__)

# A longer payload is left out: topic and key say that there is something to look at in the store.
PAYLOAD_BYTES_MAX = 60_000
# Topic and key are names, not texts.
NAME_BYTES_MAX = 1_000
# The kernel keeps some ten datagrams per socket, so that one should hold many messages; and it lets
# a socket have some 200 kB under way, so that one should not be too big either.
DATAGRAM_BYTES_MAX = 64 * 1024
# Messages that wait for a subscriber of this process; then the oldest is dropped.
QUEUE_MAX = 1024
# What was left behind while a socket was being made.
_UNFINISHED = ".new-"
_UNFINISHED_S = 60.0

_HEAD = struct.Struct("!HHI")  # Bytes of topic, key and payload, which follow.


class LocalBus(Bus):
    """Unix datagram sockets in one folder; see the door.

    Every subscription has a thread, so that a slow one holds up nobody else. A call of `heard` that
    has begun may end after its subscription did.
    """

    def __init__(self, folder: Path) -> None:
        """Listen in `folder/bus`, made where it is missing.

        Raises:
            BusUnavailable: the folder cannot be used.
        """
        self._folder = folder / "bus"
        self._name = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._lost = Repeats(log, "messages lost")
        self._changing = threading.Lock()
        self._sending = threading.Lock()
        self._subscriptions: list[_Subscription] = []
        self._peers: dict[str, socket.socket] = {}
        self._closed = False
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            self._directory = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            self._sweep()
            self._socket = self._bind()
        except OSError as error:
            raise BusUnavailable(f"{self._folder}: {error.strerror or error}") from error
        self._receiver = threading.Thread(target=self._receive, name="bus-receive", daemon=True)
        self._receiver.start()

    def publish(self, messages: Sequence[Message]) -> None:
        if not messages:
            return
        datagrams = list(_packed(messages))
        with self._sending:
            if self._closed:
                raise BusUnavailable(f"{self._folder}: the bus is closed")
            self._hand_out(messages)
            for name, peer in self._find_peers():
                for datagram in datagrams:
                    if not self._send(name, peer, datagram):
                        break

    def subscribe(
        self, topics: Sequence[str], heard: Callable[[Message], None]
    ) -> Callable[[], None]:
        with self._changing:
            if self._closed:
                raise BusUnavailable(f"{self._folder}: the bus is closed")
            subscription = _Subscription(frozenset(topics), heard, self._lost)
            self._subscriptions = [*self._subscriptions, subscription]

        def end() -> None:
            with self._changing:
                self._subscriptions = [
                    one for one in self._subscriptions if one is not subscription
                ]
            subscription.end()

        return end

    def close(self) -> None:
        with self._sending, self._changing:
            if self._closed:
                return
            self._closed = True
            subscriptions, self._subscriptions = self._subscriptions, []
        self._unlink(self._name)
        self._socket.shutdown(socket.SHUT_RD)  # Wakes the thread.
        self._receiver.join()
        for subscription in subscriptions:
            subscription.end()
        self._socket.close()
        for peer in self._peers.values():
            peer.close()
        os.close(self._directory)

    # Sockets and their names.

    def _bind(self) -> socket.socket:
        """Make our socket under a passing name, for one that is half made refuses and is swept."""
        own = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            own.bind(self._path(_UNFINISHED + self._name))
            os.rename(
                _UNFINISHED + self._name,
                self._name,
                src_dir_fd=self._directory,
                dst_dir_fd=self._directory,
            )
        except OSError:
            own.close()
            raise
        return own

    def _path(self, name: str) -> str:
        # A socket's path has 108 bytes at most, whatever the folder is called.
        return f"/proc/self/fd/{self._directory}/{name}"

    def _unlink(self, name: str) -> None:
        with suppress(OSError):
            os.unlink(name, dir_fd=self._directory)

    def _sweep(self) -> None:
        """Remove what processes left that died while they made their socket."""
        for entry in os.scandir(self._directory):
            if entry.name.startswith(_UNFINISHED):
                with suppress(OSError):
                    if time.time() - entry.stat(follow_symlinks=False).st_mtime > _UNFINISHED_S:
                        self._unlink(entry.name)

    def _find_peers(self) -> list[tuple[str, socket.socket]]:
        """Give a socket to each of the others: one each, as a full one keeps its sender's room."""
        try:
            names = set(os.listdir(self._directory))  # noqa: PTH208  (a descriptor, not a path)
        except OSError as error:
            raise BusUnavailable(f"{self._folder}: {error.strerror or error}") from error
        for name in self._peers.keys() - names:
            self._peers.pop(name).close()
        for name in names - self._peers.keys():
            if name == self._name or name.startswith("."):
                continue
            try:
                self._peers[name] = self._connect(name)
            except OSError as error:
                self._gone(name, error)
        return list(self._peers.items())

    def _connect(self, name: str) -> socket.socket:
        peer = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            peer.setblocking(False)  # noqa: FBT003
            peer.connect(self._path(name))
        except OSError:
            peer.close()
            raise
        return peer

    def _send(self, name: str, peer: socket.socket, datagram: bytes) -> bool:
        """Send, or lose it where the other's queue is full; False where there is nobody."""
        try:
            peer.send(datagram)
        except BlockingIOError:
            self._lost.add(f"the queue of process {name.partition('-')[0]} is full")
        except OSError as error:
            self._peers.pop(name).close()
            self._gone(name, error)
            return False
        return True

    def _gone(self, name: str, error: OSError) -> None:
        if error.errno == errno.ECONNREFUSED:
            with suppress(OSError):
                found = os.stat(name, dir_fd=self._directory, follow_symlinks=False)
                if stat.S_ISSOCK(found.st_mode):  # Somebody's notes refuse likewise.
                    self._unlink(name)
        elif error.errno not in {errno.ENOENT, errno.ECONNRESET, errno.ENOTCONN, errno.EPIPE}:
            self._lost.add(f"{self._folder / name}: {error.strerror or error}")

    # Hearing.

    def _receive(self) -> None:
        while not self._closed:
            try:
                datagram = self._socket.recv(2 * DATAGRAM_BYTES_MAX)
                self._hand_out(_unpacked(datagram))
            except (OSError, MessageUnreadable) as error:
                if not self._closed:
                    self._lost.add(str(error))

    def _hand_out(self, messages: Iterable[Message]) -> None:
        subscriptions = self._subscriptions  # Replaced whole, never changed.
        for message in messages:
            for subscription in subscriptions:
                subscription.put(message)


class _Subscription:
    """One listener: its queue, and the thread that calls it."""

    def __init__(
        self, topics: frozenset[str], heard: Callable[[Message], None], lost: Repeats
    ) -> None:
        self._topics = topics
        self._heard = heard
        self._lost = lost
        self._waiting: deque[Message] = deque(maxlen=QUEUE_MAX)
        self._changed = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._call_on, name="bus-hear", daemon=True)
        self._thread.start()

    def put(self, message: Message) -> None:
        if message.topic not in self._topics:
            return
        with self._changed:
            if len(self._waiting) == QUEUE_MAX:
                self._lost.add(f"a subscriber of {message.topic} is too slow")
            self._waiting.append(message)
            self._changed.notify()

    def end(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify()

    def _call_on(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._ended)
                if self._ended:
                    return
                message = self._waiting.popleft()
            try:
                self._heard(message)
            except Exception:
                log.exception("a subscriber failed topic=%s key=%s", message.topic, message.key)


def _packed(messages: Iterable[Message]) -> Iterator[bytes]:
    """Give datagrams that hold the messages in order, each as full as may be."""
    datagram = bytearray()
    for message in messages:
        topic, key, payload = (
            text.encode() for text in (message.topic, message.key, message.payload)
        )
        assert len(topic) + len(key) <= NAME_BYTES_MAX, f"too long a name: {message.key[:100]}"
        if len(payload) > PAYLOAD_BYTES_MAX:
            payload = b""
        size = _HEAD.size + len(topic) + len(key) + len(payload)
        if datagram and len(datagram) + size > DATAGRAM_BYTES_MAX:
            yield bytes(datagram)
            datagram.clear()
        datagram += _HEAD.pack(len(topic), len(key), len(payload)) + topic + key + payload
    yield bytes(datagram)


def _unpacked(datagram: bytes) -> Iterator[Message]:
    at = 0
    while at < len(datagram):
        try:
            texts = []
            sizes = _HEAD.unpack_from(datagram, at)
            at += _HEAD.size
            for size in sizes:
                texts.append(datagram[at : at + size].decode())
                at += size
            if at > len(datagram):
                raise MessageUnreadable("a datagram is cut off")
        except (struct.error, UnicodeDecodeError) as error:
            raise MessageUnreadable(f"a datagram is none of ours: {error}") from error
        topic, key, payload = texts
        yield Message(topic, key, payload)
