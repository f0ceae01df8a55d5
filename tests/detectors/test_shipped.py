"""The model that comes with Vedette: whole, small, pinned, always there, never lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detectors.tiny import BYTES_MAX
from pictures import ArrayFrame, grey_picture
from shipped import shipped_in, stand_in
from tiny_onnx import build_person_detector
from vedette.detectors.cache import sha256_of
from vedette.detectors.card import CARD_FILE, Family
from vedette.detectors.catalog import BUILT_IN, SHIPPED, Catalog, ShippedModel
from vedette.detectors.onnx import OnnxDetector
from vedette.detectors.shelf import MODEL_CARD_FILE, Shelf
from vedette.domain.errors import BadInput, Conflict

SIZE_BYTES_MAX = 5_000_000


@pytest.fixture
def shipped(tmp_path: Path) -> ShippedModel:
    return shipped_in(tmp_path / "shipped")


def shelf_of(folder: Path, shipped: ShippedModel) -> Shelf:
    return Shelf(folder / "cache", BUILT_IN, bytes_max=BYTES_MAX, shipped=shipped)


def test_a_file_is_shipped_exactly_where_one_is_pinned() -> None:
    assert SHIPPED.path.is_file() == bool(SHIPPED.sha256)


def test_the_shipped_file_is_the_pinned_one_small_open_in_size_and_documented(
    tmp_path: Path,
) -> None:
    path, card = shelf_of(tmp_path, SHIPPED).resolve(SHIPPED.name)

    assert sha256_of(path) == SHIPPED.sha256
    assert path.stat().st_size <= SIZE_BYTES_MAX
    assert card.name == SHIPPED.name
    assert card.labels == ("person", "vehicle")
    assert card.family is Family.YOLOV8  # Boxes and scores: nothing is left to decode.
    assert card.dynamic
    assert len(card.label_confidence) == len(card.labels)
    assert card.licence == "Apache-2.0"
    page = (SHIPPED.folder / MODEL_CARD_FILE).read_text(encoding="utf-8")
    assert SHIPPED.name in page
    assert len(page) > 1000
    found = {one.name for one in SHIPPED.folder.iterdir() if one.name != "__pycache__"}
    assert found >= {f"{SHIPPED.name}.onnx", CARD_FILE, MODEL_CARD_FILE}


def test_it_is_loaded_and_looks_at_pictures_of_any_shape(
    shipped: ShippedModel, tmp_path: Path
) -> None:
    path, card = shelf_of(tmp_path, shipped).resolve(shipped.name)
    detector = OnnxDetector(path, card, cache_dir=None)

    for width, height in ((640, 360), (360, 640), (500, 500)):
        (found,) = detector.detect([ArrayFrame(grey_picture(width, height))])
        assert found.labels == ("person", "vehicle")
        assert np.isfinite(found.xyxy).all()
    assert detector.label_confidence == card.label_confidence


def test_it_is_always_there_and_listed_last(shipped: ShippedModel, tmp_path: Path) -> None:
    shelf = shelf_of(tmp_path, shipped)
    alone = [one.name for one in shelf.models()]
    shelf.add(build_person_detector(tmp_path / "zebra.onnx"), name="zebra")

    first, last = shelf.models()

    assert alone == [shipped.name]
    assert (first.name, first.is_shipped) == ("zebra", False)
    assert (last.name, last.is_shipped, last.note) == (shipped.name, True, shipped.note)
    assert last.model_card == last.card_path == shipped.folder / MODEL_CARD_FILE


def test_a_model_of_ones_own_comes_before_it(shipped: ShippedModel, tmp_path: Path) -> None:
    shelf = shelf_of(tmp_path, shipped)
    before = shelf.best()
    shelf.add(build_person_detector(tmp_path / "zebra.onnx"), name="zebra")

    assert before == shipped.name
    assert shelf.best() == "zebra"


def test_nobody_can_remove_it_or_take_its_name(shipped: ShippedModel, tmp_path: Path) -> None:
    shelf = shelf_of(tmp_path, shipped)

    with pytest.raises(Conflict, match="comes with Vedette and stays"):
        shelf.remove(shipped.name)
    with pytest.raises(Conflict, match="give another --name"):
        shelf.add(build_person_detector(tmp_path / "own.onnx"), name=shipped.name)

    assert shelf.resolve(shipped.name)[0] == shipped.path
    assert shipped.path.is_file()


def test_it_tells_whose_it_is(shipped: ShippedModel, tmp_path: Path) -> None:
    shelf = shelf_of(tmp_path, shipped)
    card = shelf.resolve(shipped.name)[1]

    told = shelf.origin(shipped.name, card)

    assert (told.name, told.licence, told.source) == (shipped.name, card.licence, card.source)
    assert told.card == str(shipped.folder / MODEL_CARD_FILE)


def test_a_model_of_ones_own_tells_what_its_card_says_and_no_more(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "cache", Catalog(), bytes_max=BYTES_MAX)
    model = build_person_detector(tmp_path / "own.onnx")
    bare = shelf.origin(str(model), shelf.resolve(str(model))[1])
    (tmp_path / "own.toml").write_text('licence = "ours"\n')
    beside = shelf.origin(str(model), shelf.resolve(str(model))[1])
    added = shelf.add(model)
    assert added.card is not None
    installed = shelf.origin("own", added.card)

    assert (bare.licence, bare.source, bare.card) == ("unknown", "unknown", None)
    assert (beside.licence, beside.card) == ("ours", str(tmp_path / "own.toml"))
    assert (installed.licence, installed.card) == ("ours", str(added.path.parent / CARD_FILE))


@pytest.mark.parametrize("harm", ["another file", "no file", "no card", "an empty file"])
def test_a_damaged_one_says_its_problem_and_is_never_the_best(tmp_path: Path, harm: str) -> None:
    shipped = stand_in(tmp_path / "shipped")
    match harm:
        case "another file":
            with shipped.path.open("ab") as file:
                file.write(b"\0")
        case "no file":
            shipped.path.unlink()
        case "no card":
            (shipped.folder / CARD_FILE).unlink()
        case "an empty file":
            shipped.path.write_bytes(b"")
    shelf = shelf_of(tmp_path, shipped)

    (model,) = shelf.models()

    assert model.problem is not None
    assert shelf.best() is None
    with pytest.raises(BadInput, match="install Vedette anew"):
        shelf.resolve(shipped.name)


def test_where_none_is_pinned_and_none_lies_there_is_none(tmp_path: Path) -> None:
    shelf = shelf_of(tmp_path, ShippedModel("vedette-s1", tmp_path, "", ""))

    assert shelf.models() == []
    assert shelf.shipped() is None
