"""What `auto` takes, and the one line that says so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from detectors.tiny import BYTES_MAX, guessed_card
from shipped import shipped_in, stand_in
from tiny_onnx import build_person_detector
from vedette.detectors.catalog import BUILT_IN, Catalog, CatalogModel, ShippedModel
from vedette.detectors.choice import AUTO, MOTION, check_labels, choose
from vedette.detectors.shelf import Shelf
from vedette.domain.errors import BadInput


@pytest.fixture
def shipped(tmp_path: Path) -> ShippedModel:
    return shipped_in(tmp_path / "shipped")


def shelf_of(folder: Path, shipped: ShippedModel | None, *, pulled: str | None = None) -> Shelf:
    model = build_person_detector(folder / "tiny.onnx")
    card = replace(guessed_card(model), name="pulled")
    catalog = Catalog(CatalogModel(card, "https://far/pulled.onnx", "0" * 64, 1, ""))
    shelf = Shelf(folder / "cache", catalog, bytes_max=BYTES_MAX, shipped=shipped)
    if pulled is not None:
        shelf.add(model, name=pulled)
    return shelf


@pytest.mark.parametrize("asked", ["motion", "shop", "/models/x.onnx"])
def test_what_is_named_is_taken_without_a_word(
    asked: str, shipped: ShippedModel, tmp_path: Path
) -> None:
    assert choose(asked, shelf=shelf_of(tmp_path, shipped)).name == asked


@pytest.mark.parametrize("name", ["pulled", "ones-own"])
def test_an_installed_model_comes_first(name: str, shipped: ShippedModel, tmp_path: Path) -> None:
    taken = choose(AUTO, shelf=shelf_of(tmp_path, shipped, pulled=name))

    assert (taken.name, taken.note) == (name, "")


def test_else_the_shipped_one_is_taken_and_says_how_to_get_a_better_one(
    shipped: ShippedModel, tmp_path: Path
) -> None:
    taken = choose(AUTO, shelf=shelf_of(tmp_path, shipped))

    assert taken.name == "vedette-s1"
    assert not taken.is_fallback
    assert "vedette-s1" in taken.note
    assert "vedette models pull yolox-nano" in taken.note
    assert "\n" not in taken.note


def test_where_the_shipped_one_is_broken_what_moves_is_seen_and_one_line_says_why(
    tmp_path: Path,
) -> None:
    shipped = stand_in(tmp_path / "shipped")
    shipped.path.write_bytes(b"broken")

    taken = choose(AUTO, shelf=shelf_of(tmp_path, shipped))

    assert taken.name == MOTION
    assert taken.is_fallback
    assert "cannot be used" in taken.note
    assert str(shipped.path) in taken.note
    assert "\n" not in taken.note


def test_where_there_is_no_model_at_all_what_moves_is_seen(tmp_path: Path) -> None:
    taken = choose(AUTO, shelf=shelf_of(tmp_path, None))

    assert taken.name == MOTION
    assert "no model is installed" in taken.note


def test_a_label_that_the_shipped_model_lacks_names_a_model_that_has_it(
    shipped: ShippedModel, tmp_path: Path
) -> None:
    model = shelf_of(tmp_path, shipped).shipped()
    assert model is not None

    check_labels(["person", "vehicle"], model, BUILT_IN)
    with pytest.raises(BadInput, match=r"no class 'car'.*vedette models pull yolox-nano"):
        check_labels(["person", "car"], model, BUILT_IN)
    with pytest.raises(BadInput, match=r"knows person, vehicle$"):
        check_labels(["unicorn"], model, BUILT_IN)
