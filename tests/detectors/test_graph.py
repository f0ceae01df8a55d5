"""Rewritten graphs: open sizes and a fused first layer that lose nothing, or the original."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from detectors.tiny import BYTES_MAX, guessed_card, people_frame, tiny_detector
from tiny_onnx import GraphBuilder, build_person_detector
from vedette.detectors import cache
from vedette.detectors.cache import faster_graph
from vedette.detectors.graph import rewrite
from vedette.detectors.session import Session


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return build_person_detector(tmp_path / "tiny.onnx", size=(320, 416))


def rewritten(model: Path, to: Path, **options: float) -> str | None:
    return rewrite(model, guessed_card(model), to=to, bytes_max=BYTES_MAX, **options)


def test_a_rewritten_graph_gives_what_the_original_gives(model: Path, tmp_path: Path) -> None:
    assert rewritten(model, tmp_path / "new.onnx") is None

    picture = np.random.default_rng(2).integers(0, 256, (1, 3, 320, 416)).astype(np.float32)
    (before,) = Session(model, bytes_max=BYTES_MAX).run({"images": picture})
    (after,) = Session(tmp_path / "new.onnx", bytes_max=BYTES_MAX).run({"images": picture})
    assert np.abs(before - after).max() < 1e-3


def test_a_rewritten_graph_takes_any_batch_and_size(model: Path, tmp_path: Path) -> None:
    assert rewritten(model, tmp_path / "new.onnx") is None

    picture = np.random.default_rng(2).integers(0, 256, (2, 3, 64, 160)).astype(np.float32)
    session = Session(tmp_path / "new.onnx", bytes_max=BYTES_MAX)
    (both,) = session.run({"images": picture})
    (second,) = session.run({"images": picture[1:]})

    assert both.shape == (2, 8 * 20 + 4 * 10 + 2 * 5, 7)
    assert np.allclose(both[1:], second, atol=1e-4)


def test_slices_and_concatenation_become_one_convolution(model: Path, tmp_path: Path) -> None:
    assert rewritten(model, tmp_path / "new.onnx") is None

    kinds = [
        Counter(n.op_type for n in onnx.load(p).graph.node) for p in (model, tmp_path / "new.onnx")
    ]
    assert kinds[0]["Slice"] == 8
    assert kinds[1]["Slice"] == 0
    assert kinds[1]["Conv"] == kinds[0]["Conv"]
    assert kinds[1]["Concat"] == kinds[0]["Concat"] - 1


def edited(model: Path, change) -> Path:
    loaded = onnx.load(model)
    change(loaded.graph)
    onnx.save(loaded, model)
    return model


def test_a_graph_with_sizes_inside_is_left_as_it_is(model: Path, tmp_path: Path) -> None:
    def fix_reshapes(graph: onnx.GraphProto) -> None:
        weights = {one.name: one for one in graph.initializer}
        for node in graph.node:
            if node.op_type == "Reshape" and node.input[1] in weights:
                whole = np.array([1, 7, 40 * 52], np.int64)
                weights[node.input[1]].CopyFrom(numpy_helper.from_array(whole, node.input[1]))
                return

    reason = rewritten(edited(model, fix_reshapes), tmp_path / "new.onnx")

    assert reason is not None
    assert "Reshape" in reason


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (2, 0, 3, 1)])
def test_a_focus_of_any_weights_and_order_is_fused_exactly(
    model: Path, tmp_path: Path, order: tuple[int, ...]
) -> None:
    def change(graph: onnx.GraphProto) -> None:
        focus = next(node for node in graph.node if node.op_type == "Concat")
        focus.input[:] = [focus.input[place] for place in order]
        conv = next(node for node in graph.node if node.input[0] == focus.output[0])
        weight = next(one for one in graph.initializer if one.name == conv.input[1])
        # No two alike: a weight put in a wrong place would show.
        random = np.random.default_rng(5).normal(0, 0.05, (2, 12, 3, 3)).astype(np.float32)
        weight.CopyFrom(numpy_helper.from_array(random, weight.name))

    assert rewritten(edited(model, change), tmp_path / "new.onnx") is None
    assert all(n.op_type != "Slice" for n in onnx.load(tmp_path / "new.onnx").graph.node)


def test_slices_that_are_no_focus_are_not_fused(model: Path, tmp_path: Path) -> None:
    def repeat(graph: onnx.GraphProto) -> None:
        focus = next(node for node in graph.node if node.op_type == "Concat")
        focus.input[3] = focus.input[0]

    assert rewritten(edited(model, repeat), tmp_path / "new.onnx") is None
    kinds = Counter(node.op_type for node in onnx.load(tmp_path / "new.onnx").graph.node)
    assert kinds["Slice"] > 0


def test_a_graph_that_depends_on_the_place_in_the_picture_is_left_as_it_is(tmp_path: Path) -> None:
    build = GraphBuilder()
    ramp = np.linspace(0, 1, 64 * 64, dtype=np.float32).reshape(1, 1, 64, 64)
    placed = build.add("Mul", "images", build.constant(ramp))
    parts = []
    for stride in (8, 16, 32):
        weight = np.full((7, 3, stride, stride), 1e-4, np.float32)
        cells = build.add("Conv", placed, build.constant(weight), strides=[stride, stride])
        parts.append(build.add("Reshape", cells, build.constant([1, 7, -1], np.int64)))
    build.add("Transpose", build.add("Concat", *parts, axis=2), perm=[0, 2, 1], to="output")
    path = build.save(
        tmp_path / "placed.onnx",
        inputs={"images": [1, 3, 64, 64]},
        outputs={"output": [1, 84, 7]},
        metadata={"names": "['a', 'b']"},
    )

    reason = rewritten(path, tmp_path / "new.onnx")

    assert reason is not None
    assert "does not run" in reason


def test_a_rewriting_that_would_change_the_answer_is_not_used(model: Path, tmp_path: Path) -> None:
    # No graph is near enough to this limit: what a wrong rewriting would meet.
    reason = rewritten(model, tmp_path / "new.onnx", difference_max=-1.0)

    assert reason is not None
    assert "differs" in reason


def kept(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "graphs").iterdir())


def test_a_graph_is_rewritten_once_and_then_found(model: Path, tmp_path: Path) -> None:
    card = guessed_card(model)
    first = faster_graph(model, card, cache_dir=tmp_path, bytes_max=BYTES_MAX)
    assert first is not None
    made = first.stat().st_mtime_ns

    again = faster_graph(model, card, cache_dir=tmp_path, bytes_max=BYTES_MAX)

    assert again == first
    assert first.stat().st_mtime_ns == made
    assert kept(tmp_path) == [first.name]
    assert cache.sha256_of(model) in first.name


def test_that_a_graph_cannot_be_rewritten_is_remembered(model: Path, tmp_path: Path) -> None:
    def spoil(graph: onnx.GraphProto) -> None:
        next(n for n in graph.node if n.op_type == "Sqrt").op_type = "Cos"

    card = guessed_card(edited(model, spoil))

    assert faster_graph(model, card, cache_dir=tmp_path, bytes_max=BYTES_MAX) is None
    assert [name.rpartition(".")[2] for name in kept(tmp_path)] == ["refused"]
    assert "Cos" in next((tmp_path / "graphs").iterdir()).read_text()
    assert faster_graph(model, card, cache_dir=tmp_path, bytes_max=BYTES_MAX) is None


def test_a_second_start_does_not_import_onnx(model: Path, tmp_path: Path) -> None:
    faster_graph(model, guessed_card(model), cache_dir=tmp_path, bytes_max=BYTES_MAX)
    start = (
        "import sys; from pathlib import Path\n"
        "from vedette.detectors.guess import card_for\n"
        "from vedette.detectors.onnx import OnnxDetector\n"
        "from vedette.detectors.session import Session\n"
        f"path = Path({str(model)!r})\n"
        "facts = Session(path, bytes_max=10**8).facts\n"
        "card = card_for(facts, name='tiny', given={}, origin='tiny')\n"
        f"found = OnnxDetector(path, card, cache_dir=Path({str(tmp_path)!r}))\n"
        "print(found._card.dynamic, 'onnx' in sys.modules)\n"
    )

    out = subprocess.run(
        [sys.executable, "-c", start], capture_output=True, text=True, check=True, timeout=240
    ).stdout

    assert out.split() == ["True", "False"]


def test_a_damaged_kept_graph_is_thrown_away_and_the_original_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (expected,) = tiny_detector(tmp_path).detect([people_frame()])
    (graph,) = (tmp_path / "cache" / "graphs").iterdir()
    graph.write_bytes(graph.read_bytes()[:1000])

    with caplog.at_level(logging.WARNING):
        (found,) = tiny_detector(tmp_path).detect([people_frame()])

    assert len(found) == len(expected)
    assert "damaged" in caplog.text
    assert not graph.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_cache_that_cannot_be_written_costs_speed_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "cache").mkdir(mode=0o500)

    (found,) = tiny_detector(tmp_path).detect([people_frame()])

    assert len(found) > 0
    assert "VEDETTE_CACHE_DIR" in caplog.text


def test_a_cache_that_is_a_file_costs_speed_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "cache").write_text("in the way")

    (found,) = tiny_detector(tmp_path).detect([people_frame()])

    assert len(found) > 0
    assert "VEDETTE_CACHE_DIR" in caplog.text
