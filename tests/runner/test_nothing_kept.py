"""What is over is freed at once: nothing of a run waits for the collector of cycles.

That one comes by after thousands of objects, and a lost camera leaves few, but large ones.
"""

from __future__ import annotations

import gc
import socket
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from rtsp_server import RTSPServer
from vedette.domain.errors import SourceError
from vedette.domain.frame import Frame
from vedette.domain.scene import Scene
from vedette.runner.pipeline import Pipeline
from vedette.settings import Settings
from vedette.wiring import AnalysisRequest, Wiring


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Wiring]:
    settings = Settings(cache_dir=tmp_path, workers=2, open_timeout_s=2.0, read_timeout_s=1.0)
    with Wiring(settings) as one:
        yield one


@pytest.fixture
def kept() -> Iterator[Callable[[], list[str]]]:
    """Give what only the collector of cycles would have freed, of our own and FFmpeg's."""

    def look() -> list[str]:
        gc.collect()
        kinds = {f"{type(one).__module__}.{type(one).__name__}" for one in gc.garbage}
        return sorted(kind for kind in kinds if kind.startswith(("vedette.", "av.", "numpy.")))

    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    yield look
    gc.set_debug(0)
    gc.garbage.clear()
    gc.enable()


def run(house: Wiring, address: str, watch: Callable[[Frame, Scene], None]) -> None:
    """Run a pipeline until its source fails."""
    asked = AnalysisRequest(source=address, detector="motion", fps=Fraction(5))
    pipeline: Pipeline = house.analysis(asked, watch=watch).pipeline
    try:
        pipeline.open()
        with pytest.raises(SourceError):
            pipeline.run()
    finally:
        pipeline.close()
        assert pipeline.join(240)


def test_a_source_that_was_lost_leaves_nothing_to_the_collector(
    house: Wiring, start_rtsp_server: Callable[..., RTSPServer], kept: Callable[[], list[str]]
) -> None:
    server = start_rtsp_server()

    run(house, server.url(), lambda _frame, _scene: server.kill())

    assert kept() == []


def test_a_source_that_refuses_leaves_nothing_to_the_collector(
    house: Wiring, kept: Callable[[], list[str]]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]  # Nobody listens there, once it is given back.

    for _ in range(3):
        try:
            run(house, f"rtsp://127.0.0.1:{port}/camera", lambda _frame, _scene: None)
        except SourceError:
            continue

    assert kept() == []
