"""The exported file answers as the network does, and can be trained on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from parts import need_torch

need_torch()

import onnx  # noqa: E402
import onnxruntime  # noqa: E402
import torch  # noqa: E402

from tiny_onnx import build_person_detector, write_no_onnx  # noqa: E402
from vedette.domain.errors import ModelUnreadable  # noqa: E402
from vedette.training.export import CALIBRATION_KEY, Deployed, export, network_in  # noqa: E402
from vedette.training.network import (  # noqa: E402
    CLASSES,
    Network,
    Shape,
    cell_centres,
    folded,
)
from vedette.training.network import boxes_of as corners_of  # noqa: E402
from vedette.training.recipe import card_of  # noqa: E402
from vedette.training.teacher import Still, boxes_of  # noqa: E402
from vedette.wiring import judging_detector  # noqa: E402

SMALL = Shape(widths=(8, 8, 16, 16, 32), blocks=(0, 1, 1, 1), neck=16)
CALIBRATION = [(1.4, 0.3), (0.7, -0.2)]


def noise(height: int, width: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (1, 3, height, width)).astype(np.float32)


def lively(shape: Shape) -> Network:
    """Give a network that says all kinds of things, its normalisations used to real numbers."""
    torch.manual_seed(3)
    network = Network(shape)
    network.train()
    with torch.no_grad():
        for seed in range(6):
            network(torch.from_numpy(noise(64, 96, seed)))
        for answer in network.answers:
            answer.weight.normal_(0, 0.3)
            answer.bias[: shape.classes] = -2
    return network.eval()


def answers_of(path: Path, pictures: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"images": pictures})
    return found


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Network, Path]:
    network, path = lively(SMALL), tmp_path_factory.mktemp("export") / "small.onnx"
    export(network, path, CALIBRATION)
    return network, path


@pytest.mark.parametrize(("height", "width"), [(160, 224), (320, 96)])
def test_the_file_answers_as_the_network_at_any_size(
    made: tuple[Network, Path], height: int, width: int
) -> None:
    network, path = made

    found = answers_of(path, noise(height, width))

    with torch.no_grad():
        # Folding is part of what is judged: raw answers come from the network as it was trained.
        raw = network(torch.from_numpy(noise(height, width))).numpy()[0]
    logits = raw[:, :2] * [one[0] for one in CALIBRATION] + [one[1] for one in CALIBRATION]
    assert found.shape == (1, 6, height * width // 64 * 21 // 16)
    assert pytest.approx(1 / (1 + np.exp(-logits)), abs=2e-3) == found[0, 4:].T
    assert found[0, 4:].std() > 0.01
    cells = cell_centres(height, width, torch.device("cpu"))
    corners = corners_of(torch.from_numpy(raw[:, 2:]), *cells).numpy()
    middle, half = found[0, :2].T, found[0, 2:4].T / 2
    assert np.concatenate([middle - half, middle + half], 1) == pytest.approx(corners, abs=0.05)


def test_a_network_read_back_answers_the_same(made: tuple[Network, Path]) -> None:
    _, path = made
    told = {one.key: one.value for one in onnx.load(str(path)).metadata_props}

    again = Deployed(network_in(path), json.loads(told[CALIBRATION_KEY])).eval()

    with torch.no_grad():
        answer = again(torch.from_numpy(noise(128, 160))).numpy()
    assert answer == pytest.approx(answers_of(path, noise(128, 160)), abs=1e-3)


def test_a_network_read_back_can_be_exported_again(
    made: tuple[Network, Path], tmp_path: Path
) -> None:
    _, path = made

    export(network_in(path), tmp_path / "again.onnx", CALIBRATION)

    again = answers_of(tmp_path / "again.onnx", noise(64, 96))
    assert again == pytest.approx(answers_of(path, noise(64, 96)), abs=1e-3)


def test_folding_changes_no_answer() -> None:
    network, pictures = lively(SMALL), torch.from_numpy(noise(64, 96))

    with torch.no_grad():
        whole, once = network(pictures), folded(network)(pictures)

    assert float((whole - once).abs().max()) < 1e-2


def test_our_detector_takes_the_file_with_its_card(made: tuple[Network, Path]) -> None:
    _, path = made
    picture = np.ascontiguousarray(noise(416, 416)[0].transpose(1, 2, 0).astype(np.uint8))
    raw = answers_of(path, noise(416, 416))[0]

    detector = judging_detector(path, card_of("small"), 0.02)
    found = boxes_of(detector, picture)

    assert detector.labels == CLASSES
    # The strongest of all stays, whatever is suppressed; 416 is the card's
    # own side, so nothing is scaled or padded.
    middle, half = raw[:2].T, raw[2:4].T / 2
    boxes = np.concatenate([middle - half, middle + half], 1).clip(0, 416)
    cell = np.abs(boxes - found[0, :4]).max(axis=1).argmin()
    assert found[0, :4] == pytest.approx(boxes[cell], abs=0.5)
    assert found[0, 4] == pytest.approx(raw[4:].max(), abs=1e-3)
    assert found[0, 4] == pytest.approx(raw[4 + int(found[0, 5]), cell], abs=1e-3)


def test_a_still_gives_the_colours_that_are_asked_for() -> None:
    picture = np.zeros((8, 8, 3), np.uint8)
    picture[..., 0] = 200
    still = Still(picture)

    from vedette.domain.frame import PixelFormat

    assert still.pixels(4, 4, PixelFormat.BGR24)[0, 0].tolist() == [200, 0, 0]
    assert still.pixels(4, 4, PixelFormat.RGB24)[0, 0].tolist() == [0, 0, 200]


def test_a_file_of_another_program_is_refused(tmp_path: Path) -> None:
    path = build_person_detector(tmp_path / "other.onnx")

    with pytest.raises(ModelUnreadable, match="was not made by `vedette train`"):
        network_in(path)


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    path = write_no_onnx(tmp_path / "letter.onnx")

    with pytest.raises(ModelUnreadable, match="is no ONNX file that can be read"):
        network_in(path)
