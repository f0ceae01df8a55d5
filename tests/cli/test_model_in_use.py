"""`vedette run` says whose model looked, and counts from where that model's card says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import pytest

from shell import Told, vedette
from shipped import shipped_in, stand_in, vedette_with
from tiny_onnx import build_person_detector, people_picture
from vedette.detectors.catalog import SHIPPED

# A person and a vehicle that stand still: what moves is nothing, so only a model sees them.
STANDING = {(60, 60, 90, 140): "person", (240, 40, 340, 100): "vehicle"}
BOTH = {"person", "vehicle"}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "door.mp4"
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "12"})
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv444p"
        for number in range(20):
            picture = people_picture(STANDING, seed=number)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode(None))
    return path


def summary_of(told: Told) -> dict[str, Any]:
    assert told.code == 0, told.err
    summary: dict[str, Any] = json.loads(told.out)
    return summary


def test_with_nothing_installed_the_shipped_model_looks_and_the_summary_names_it(
    clip: Path, tmp_path: Path
) -> None:
    shipped = shipped_in(tmp_path / "shipped")

    told = vedette_with(shipped, "run", clip, "--json", cache_dir=tmp_path / "cache")

    summary = summary_of(told)
    assert summary["detector"] == summary["model"]["name"] == shipped.name
    assert summary["model"]["licence"] == "Apache-2.0"
    assert summary["model"]["card"] == str(shipped.folder / "MODEL_CARD.md")


def test_one_line_says_which_model_was_taken_and_how_to_get_a_better_one(
    clip: Path, tmp_path: Path
) -> None:
    shipped = shipped_in(tmp_path / "shipped")

    told = vedette_with(shipped, "run", clip, "--limit", "1f", cache_dir=tmp_path / "cache")

    notes = [line for line in told.err.splitlines() if line.startswith("vedette: ")]
    assert len(notes) == 1
    assert shipped.name in notes[0]
    assert "vedette models pull yolox-nano" in notes[0]


def test_a_broken_shipped_model_leaves_motion_and_one_line_that_says_why(
    clip: Path, tmp_path: Path
) -> None:
    broken = stand_in(tmp_path / "broken")
    broken.path.write_bytes(b"broken")

    told = vedette_with(broken, "run", clip, "--json", cache_dir=tmp_path / "cache")

    summary = summary_of(told)
    assert summary["detector"] == "motion"
    assert summary["model"]["card"] is None
    assert "no weights" in summary["model"]["source"]
    notes = [line for line in told.err.splitlines() if line.startswith("vedette: ")]
    assert len(notes) == 1
    assert "cannot be used" in notes[0]


def test_people_read_whose_model_looked_and_where_its_card_is(clip: Path, tmp_path: Path) -> None:
    shipped = stand_in(tmp_path / "shipped")
    words = ("run", clip, "--detector")

    by_shipped = vedette_with(shipped, *words, shipped.name, cache_dir=tmp_path / "cache").out
    by_motion = vedette(*words, "motion", cache_dir=tmp_path / "cache").out

    lines = by_shipped.splitlines()
    at = lines.index("  detector: vedette-s1")
    assert lines[at + 1] == "    licence Apache-2.0; here"
    assert lines[at + 2] == f"    card {shipped.folder / 'MODEL_CARD.md'}"
    assert "  detector: motion\n    licence Apache-2.0; part of Vedette" in by_motion
    assert "    card" not in by_motion


def test_a_model_of_ones_own_is_named_with_what_is_known_of_it(clip: Path, tmp_path: Path) -> None:
    model = build_person_detector(tmp_path / "own.onnx")
    words = ("run", clip, "--detector", model, "--json")

    bare = summary_of(vedette(*words, cache_dir=tmp_path / "cache"))
    card = model.with_suffix(".toml")
    card.write_text('licence = "ours"\nsource = "our own yard"\n')
    known = summary_of(vedette(*words, cache_dir=tmp_path / "cache"))

    assert bare["objects"].keys() == BOTH
    assert bare["model"] == {
        "name": "own", "licence": "unknown", "source": "unknown", "card": None,
    }  # fmt: skip
    assert known["model"] == {
        "name": "own", "licence": "ours", "source": "our own yard", "card": str(card),
    }  # fmt: skip


def test_each_label_counts_from_where_the_card_says_unless_the_user_says_otherwise(
    clip: Path, tmp_path: Path
) -> None:
    model = build_person_detector(tmp_path / "own.onnx")
    model.with_suffix(".toml").write_text("label_confidence = [1.0, 0.3]\n")
    words = ("run", clip, "--detector", model, "--json")

    by_card = summary_of(vedette(*words, cache_dir=tmp_path / "cache"))
    by_user = summary_of(vedette(*words, "--confidence", "0.4", cache_dir=tmp_path / "cache"))

    assert by_card["objects"].keys() == {"vehicle"}
    assert by_user["objects"].keys() == BOTH


@pytest.mark.parametrize("limits", ["confidence = 0.0\n", "label_confidence = [0.0, 0.0]\n"])
def test_a_card_whose_thresholds_are_nothing_is_taken_at_its_word(
    limits: str, clip: Path, tmp_path: Path
) -> None:
    model = build_person_detector(tmp_path / "own.onnx")
    model.with_suffix(".toml").write_text(limits)

    told = vedette("run", clip, "--detector", model, "--json", cache_dir=tmp_path / "cache")

    assert summary_of(told)["objects"].keys() >= BOTH


def test_a_label_the_shipped_model_lacks_is_refused_with_the_model_that_has_it(
    clip: Path, tmp_path: Path
) -> None:
    shipped = shipped_in(tmp_path / "shipped")

    told = vedette_with(shipped, "run", clip, "--classes", "car", cache_dir=tmp_path / "cache")

    assert told.code == 2
    assert "vedette models pull yolox-nano" in told.sentence()


def test_the_built_in_scenes_people_and_vehicles_are_recognised_by_the_shipped_model(
    tmp_path: Path,
) -> None:
    street = "synthetic://street?people=6&vehicles=3&seed=1"

    told = vedette(
        "run", street, "--detector", SHIPPED.name, "--fps", "5", "--json",
        cache_dir=tmp_path / "cache",
    )  # fmt: skip

    counted = {label: one["distinct"] for label, one in summary_of(told)["objects"].items()}
    assert abs(counted.get("person", 0) - 6) <= 1
    assert abs(counted.get("vehicle", 0) - 3) <= 1
