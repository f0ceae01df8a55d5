"""Fixtures that several rooms' tests share."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import rtsp_server as rtsp
from clips import CLIPS, make
from parts import need


@pytest.fixture(scope="session")
def clip_path(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Give the path of a clip of `clips.CLIPS`, made when first asked for."""
    folder = tmp_path_factory.mktemp("clips")
    return lambda name: make(CLIPS[name], folder)


@functools.cache
def _missing_for_rtsp() -> str:
    return rtsp.missing()


@pytest.fixture
def start_rtsp_server() -> Iterator[Callable[..., rtsp.RTSPServer]]:
    """Give a starter of real RTSP servers; those started are killed after the test."""
    need("rtsp", not _missing_for_rtsp(), _missing_for_rtsp())
    servers: list[rtsp.RTSPServer] = []

    def start(**options: str) -> rtsp.RTSPServer:
        servers.append(rtsp.RTSPServer(**options))
        return servers[-1]

    yield start
    for server in servers:
        server.kill()
