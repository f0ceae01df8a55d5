"""Installed models: added, listed, found by name, removed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from detectors.tiny import BYTES_MAX, guessed_card
from tiny_onnx import build_constant_head, build_person_detector, write_no_onnx
from vedette.detectors.cache import faster_graph
from vedette.detectors.card import Family, ModelCard, card_toml
from vedette.detectors.catalog import Catalog, CatalogModel
from vedette.detectors.onnx import OnnxDetector
from vedette.detectors.shelf import Shelf
from vedette.domain.errors import BadInput, ConfigError, Conflict, ModelUnreadable, NotFound


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return build_person_detector(tmp_path / "My Shop_2.onnx")


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "cache", Catalog(), bytes_max=BYTES_MAX)


def test_an_added_model_is_found_by_its_name(shelf: Shelf, file: Path) -> None:
    added = shelf.add(file)
    file.unlink()

    path, card = shelf.resolve("my-shop-2")

    assert added.name == "my-shop-2"
    assert path.is_file()
    assert card.family is Family.YOLOX
    assert card.labels == ("person", "vehicle")
    assert [model.name for model in shelf.models()] == ["my-shop-2"]


def test_a_name_and_a_card_may_be_given(shelf: Shelf, file: Path, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('licence = "MIT"\nconfidence = 0.3\nname = "other"\n')

    added = shelf.add(file, name="shop", card_file=tmp_path / "c.toml")

    assert added.name == "shop"
    assert added.card is not None
    assert (added.card.licence, added.card.confidence) == ("MIT", 0.3)


def test_a_card_beside_the_file_is_taken(shelf: Shelf, file: Path) -> None:
    file.with_suffix(".toml").write_text('labels = ["worker", "truck"]')

    assert shelf.resolve(str(file))[1].labels == ("worker", "truck")
    assert shelf.add(file).card == shelf.resolve("my-shop-2")[1]


def test_a_file_is_used_where_it_lies(shelf: Shelf, file: Path) -> None:
    path, card = shelf.resolve(str(file))

    assert path == file
    assert card.labels == ("person", "vehicle")
    assert shelf.models() == []


def test_a_name_is_not_taken_twice(shelf: Shelf, file: Path) -> None:
    shelf.add(file, name="shop")

    with pytest.raises(Conflict, match="vedette models remove shop"):
        shelf.add(file, name="shop")


def test_the_file_of_the_catalog_added_by_hand_gets_the_catalogs_card(
    tmp_path: Path, file: Path
) -> None:
    card = ModelCard(
        name="known", family=Family.YOLOX, input="images", height=416, width=416,
        labels=("person", "vehicle"), licence="Apache-2.0", source="there",
    )  # fmt: skip
    content = file.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    catalog = Catalog(CatalogModel(card, "https://far/known.onnx", digest, len(content), ""))
    shelf = Shelf(tmp_path / "cache", catalog, bytes_max=BYTES_MAX)

    assert shelf.add(file, name="known").card == card


@pytest.mark.parametrize("name", ["", "..", "a/b", ".hidden", "a b", "ü", "a" * 81])
def test_a_name_that_would_be_no_folder_is_refused(shelf: Shelf, file: Path, name: str) -> None:
    with pytest.raises(BadInput, match="--name"):
        shelf.add(file, name=name)


def test_what_is_no_detector_is_not_added(shelf: Shelf, tmp_path: Path) -> None:
    letter = write_no_onnx(tmp_path / "letter.onnx")

    with pytest.raises(ModelUnreadable, match=r"letter\.onnx"):
        shelf.add(letter)

    assert shelf.models() == []


def test_a_card_that_does_not_fit_is_found_out_before_the_model_is_added(tmp_path: Path) -> None:
    import numpy as np

    model = build_constant_head(tmp_path / "m.onnx", np.zeros((1, 84, 8), np.float32))
    (tmp_path / "m.toml").write_text('family = "yolov8"\nlabels = ["a", "b", "c"]\n')
    shelf = Shelf(
        tmp_path / "cache",
        Catalog(),
        bytes_max=BYTES_MAX,
        trial=lambda path, card: OnnxDetector(path, card, cache_dir=None),
    )

    with pytest.raises(ModelUnreadable, match="correct its card"):
        shelf.add(model)

    assert shelf.models() == []


def test_a_removed_model_leaves_nothing_behind(shelf: Shelf, file: Path, tmp_path: Path) -> None:
    added = shelf.add(file, name="shop")
    graph = faster_graph(
        added.path, guessed_card(file), cache_dir=tmp_path / "cache", bytes_max=BYTES_MAX
    )
    assert graph is not None

    shelf.remove("shop")

    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []
    with pytest.raises(NotFound, match="no model 'shop'"):
        shelf.remove("shop")


@pytest.mark.parametrize("name", ["..", "", "a/b", "../models"])
def test_nothing_outside_the_shelf_can_be_removed(shelf: Shelf, file: Path, name: str) -> None:
    shelf.add(file, name="shop")

    with pytest.raises(NotFound):
        shelf.remove(name)

    assert len(shelf.models()) == 1


def test_the_best_model_is_the_catalogs_first_then_any(tmp_path: Path, file: Path) -> None:
    def entry(name: str) -> CatalogModel:
        card = ModelCard(
            name=name, family=Family.YOLOX, input="images", height=416, width=416, labels=("a",)
        )
        return CatalogModel(card, f"https://far/{name}.onnx", "0" * 64, 1, "")

    shelf = Shelf(tmp_path / "cache", Catalog(entry("large"), entry("small")), bytes_max=BYTES_MAX)

    ranked = [shelf.best()]
    for name in ("own", "small", "large"):
        shelf.add(file, name=name)
        ranked.append(shelf.best())

    assert ranked == [None, "own", "small", "large"]


def test_a_damaged_model_is_listed_with_its_problem_and_never_the_best(
    shelf: Shelf, file: Path
) -> None:
    added = shelf.add(file, name="shop")
    (added.path.parent / "card.toml").write_text("family = 7")

    (model,) = shelf.models()

    assert model.problem is not None
    assert "'family'" in model.problem
    assert shelf.best() is None
    with pytest.raises(BadInput, match="vedette models remove shop"):
        shelf.resolve("shop")
    shelf.remove("shop")
    assert shelf.models() == []


def test_a_name_of_the_catalog_says_how_to_pull_it(tmp_path: Path) -> None:
    card = ModelCard(
        name="known", family=Family.YOLOX, input="x", height=32, width=32, labels=("a",)
    )
    catalog = Catalog(CatalogModel(card, "https://far/known.onnx", "0" * 64, 1, ""))
    shelf = Shelf(tmp_path / "cache", catalog, bytes_max=BYTES_MAX)

    with pytest.raises(NotFound, match="vedette models pull known"):
        shelf.resolve("known")
    with pytest.raises(NotFound, match="to be pulled: known"):
        shelf.resolve("unknown")


def test_a_shelf_that_cannot_be_written_says_which_setting(tmp_path: Path, file: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    shelf = Shelf(tmp_path / "cache", Catalog(), bytes_max=BYTES_MAX)

    with pytest.raises(ConfigError, match="VEDETTE_CACHE_DIR"):
        shelf.add(file, name="shop")


def test_what_is_written_beside_a_model_can_be_read_by_people(shelf: Shelf, file: Path) -> None:
    added = shelf.add(file)
    assert added.card is not None

    text = (added.path.parent / "card.toml").read_text(encoding="utf-8")

    assert text == card_toml(added.card)
    assert 'family = "yolox"' in text
