"""`vedette scenario start --tiles`: the same rows as `vedette run --tiles`, and told to people."""

from __future__ import annotations

import json
from pathlib import Path

from running_up import running_up
from shell import vedette
from street_clip import make_street_clip
from tiny_onnx import build_person_detector

# It starts the server and half a dozen commands, a second or two each on a machine at rest.


def test_a_scenario_with_tiles_gives_the_rows_of_a_run_with_tiles(tmp_path: Path) -> None:
    clip = tmp_path / "street.mp4"
    make_street_clip(clip, seed=3, seconds=2, width=640, height=360)
    model = build_person_detector(tmp_path / "tiny.onnx")
    with running_up(tmp_path / "data") as up:
        added = up.cli("models", "add", model, "--name", "tiny")
        words = ("--detector", "tiny", "--tiles", "2x2")

        began = up.cli("scenario", "start", clip, *words, "--wait")
        listed = json.loads(up.cli("scenario", "list", "--json").out)
        scenario_id = listed[0]["scenario_id"]
        shown = up.cli("scenario", "show", scenario_id)
        up.cli("scenario", "export", scenario_id, "--predictions", tmp_path / "kept.jsonl")
        vedette(
            "run", clip, *words, "--predictions", tmp_path / "run.jsonl", cache_dir=up.cache_dir
        )
        refused = up.cli("scenario", "start", clip, "--detector", "motion", "--tiles", "2x2")

        assert (added.code, began.code) == (0, 0), added.err + began.err
        assert "tiles 2x2: 5 looks per frame" in began.out
        assert "tiles 2x2: 5 looks per frame" in shown.out
        assert up.scenario(scenario_id)["parameters"]["tiles"] == "2x2"
        kept, ran = (_objects(tmp_path / name) for name in ("kept.jsonl", "run.jsonl"))
        assert kept == ran
        assert any(kept)
        assert refused.code == 2
        assert "motion detector looks at whole pictures only" in refused.sentence()


def _objects(path: Path) -> list[list[dict]]:
    return [json.loads(line)["objects"] for line in path.read_text().splitlines()]
