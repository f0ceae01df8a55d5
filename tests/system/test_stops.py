"""Point 4 of the first issue: stopped after every frame, gone on from in a fresh process."""

from __future__ import annotations

import json
from pathlib import Path

import av
import pytest

from stops import run_with_stops
from street_clip import make_street_clip
from tiny_onnx import build_person_detector

FRAMES = 300
FPS = 15
SCENE = """
zones:
  - name: near
    polygon: [[0, 0.5], [1, 0.5], [1, 1], [0, 1]]
lines:
  - name: middle
    from: [0.5, 1]
    to: [0.5, 0]
"""


@pytest.fixture(scope="session")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give 300 pictures of the street with B-frames and a key frame every 2 s."""
    folder = tmp_path_factory.mktemp("street")
    make_street_clip(
        folder / "plain.mp4", seed=3, seconds=FRAMES // FPS, fps=FPS, width=640, height=360
    )
    target = folder / "street.mp4"
    with av.open(str(folder / "plain.mp4")) as plain, av.open(str(target), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        stream.options = {"x264-params": "keyint=30:bframes=2:scenecut=0:threads=1"}
        for frame in plain.decode(video=0):
            frame.pict_type = av.video.frame.PictureType.NONE
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return target


@pytest.fixture
def request_of(street: Path, tmp_path: Path):
    (tmp_path / "scene.yaml").write_text(SCENE)

    def make(detector: str, **more: str) -> dict[str, str]:
        if detector == "onnx":
            detector = str(build_person_detector(tmp_path / "tiny.onnx"))
        return {
            "source": str(street), "detector": detector, "scene": str(tmp_path / "scene.yaml"),
            **more,
        }  # fmt: skip

    return make


@pytest.mark.parametrize("detector", ["motion", "onnx"])
def test_stopping_after_every_frame_changes_no_byte_of_the_rows(
    detector: str, request_of, tmp_path: Path
) -> None:
    request = request_of(detector)
    (tmp_path / "whole").mkdir()
    (tmp_path / "stopped").mkdir()

    rows, counts = run_with_stops(request, [], tmp_path / "whole", frames=FRAMES)
    again, counts_again = run_with_stops(
        request, range(1, FRAMES), tmp_path / "stopped", frames=FRAMES
    )

    assert rows.count(b"\n") == FRAMES
    followed = [o["track_id"] for o in _objects(rows) if o["track_id"] is not None]
    assert len(set(followed)) >= 3
    assert len(followed) > FRAMES // 3
    assert again == rows
    assert counts_again == counts


def test_stops_do_not_change_which_pictures_are_looked_at(request_of, tmp_path: Path) -> None:
    request = request_of("motion", fps="7/2")
    looks = FRAMES * 7 // 2 // FPS
    (tmp_path / "whole").mkdir()
    (tmp_path / "stopped").mkdir()

    rows, _ = run_with_stops(request, [], tmp_path / "whole", frames=FRAMES)
    again, _ = run_with_stops(request, range(1, looks), tmp_path / "stopped", frames=FRAMES)

    assert rows.count(b"\n") == looks
    assert again == rows


def test_stops_change_no_byte_of_what_tiles_show(request_of, tmp_path: Path) -> None:
    request, frames = request_of("onnx", tiles="2x2"), 60
    (tmp_path / "whole").mkdir()
    (tmp_path / "stopped").mkdir()

    rows, counts = run_with_stops(request, [], tmp_path / "whole", frames=frames)
    again, counts_again = run_with_stops(
        request, (1, 2, 17, 30, 31, 59), tmp_path / "stopped", frames=frames
    )

    assert rows.count(b"\n") == frames
    assert len({o["track_id"] for o in _objects(rows)} - {None}) >= 2
    assert again == rows
    assert counts_again == counts


def _objects(rows: bytes) -> list[dict]:
    return [one for line in rows.splitlines() for one in json.loads(line)["objects"]]
