"""What the local bus has that others have not: a folder of sockets."""

from __future__ import annotations

import os
import queue
import socket
from pathlib import Path

import pytest

from vedette.bus.base import Message
from vedette.bus.local import LocalBus
from vedette.domain.errors import BusUnavailable

WAIT_S = 240.0


def test_a_data_directory_may_have_a_long_name(tmp_path: Path) -> None:
    folder = tmp_path / ("d" * 200)
    folder.mkdir()
    one, other = LocalBus(folder), LocalBus(folder)
    heard: queue.Queue[Message] = queue.Queue()
    one.subscribe(["doors"], heard.put)

    other.publish([Message("doors", "front")])

    assert heard.get(timeout=WAIT_S).key == "front"
    one.close()
    other.close()


def test_rubbish_in_the_socket_harms_nobody(tmp_path: Path) -> None:
    bus, other = LocalBus(tmp_path), LocalBus(tmp_path)
    heard: queue.Queue[Message] = queue.Queue()
    bus.subscribe(["doors"], heard.put)
    (name,) = (path for path in (tmp_path / "bus").iterdir() if path.name == bus._name)
    # A path may be too long for an address; a descriptor's never is.
    folder = os.open(name.parent, os.O_RDONLY)

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stranger:
        for rubbish in (b"x", b"\xff" * 50, b"\x00\x01\x00\x00\x00\x00\x00\x09d", b""):
            stranger.sendto(rubbish, f"/proc/self/fd/{folder}/{name.name}")
    other.publish([Message("doors", "front")])

    assert heard.get(timeout=WAIT_S).key == "front"
    os.close(folder)
    bus.close()
    other.close()


def test_a_file_that_is_no_socket_harms_nobody(tmp_path: Path) -> None:
    bus, other = LocalBus(tmp_path), LocalBus(tmp_path)
    heard: queue.Queue[Message] = queue.Queue()
    bus.subscribe(["doors"], heard.put)
    (tmp_path / "bus" / "notes.txt").write_text("not a socket", encoding="utf-8")

    other.publish([Message("doors", "front")])

    assert heard.get(timeout=WAIT_S).key == "front"
    assert (tmp_path / "bus" / "notes.txt").exists()
    bus.close()
    other.close()


def test_a_socket_that_was_never_finished_is_swept(tmp_path: Path) -> None:
    LocalBus(tmp_path).close()
    old, young = tmp_path / "bus" / ".new-1-a", tmp_path / "bus" / ".new-1-b"
    for path in (old, young):
        path.touch()
    os.utime(old, (0, 0))

    LocalBus(tmp_path).close()

    assert not old.exists()
    assert young.exists()


def test_a_folder_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bus").write_text("in the way", encoding="utf-8")

    with pytest.raises(BusUnavailable, match="bus"):
        LocalBus(tmp_path)
