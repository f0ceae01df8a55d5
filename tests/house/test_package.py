"""What is packed: the wheel and the source archive hold the model that comes with Vedette."""

from __future__ import annotations

import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

from shipped import stand_in
from vedette.detectors.catalog import SHIPPED

ROOT = Path(__file__).parents[2]
FOLDER = "vedette/detectors/shipped"
PAGES = {f"{SHIPPED.name}.onnx", "card.toml", "MODEL_CARD.md"}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Give a small checkout with our own build settings, and a model shipped in it."""
    root = tmp_path / "checkout"
    (root / "src" / "vedette").mkdir(parents=True)
    for name in ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", ".gitignore"):
        shutil.copy(ROOT / name, root / name)
    shutil.copy(ROOT / "src" / "vedette" / "__init__.py", root / "src" / "vedette")
    stand_in(root / "src" / FOLDER)
    return root


def test_the_wheel_holds_the_model_with_its_pages(checkout: Path, tmp_path: Path) -> None:
    (wheel,) = WheelBuilder(str(checkout)).build(directory=str(tmp_path), versions=["standard"])

    with zipfile.ZipFile(wheel) as packed:
        assert {f"{FOLDER}/{page}" for page in PAGES} <= set(packed.namelist())


def test_the_source_archive_holds_the_model_with_its_pages(checkout: Path, tmp_path: Path) -> None:
    (archive,) = SdistBuilder(str(checkout)).build(directory=str(tmp_path), versions=["standard"])

    with tarfile.open(archive) as packed:
        names = {name.partition("/")[2] for name in packed.getnames()}
    assert {f"src/{FOLDER}/{page}" for page in PAGES} <= names


def test_this_checkouts_wheel_would_hold_the_shipped_model() -> None:
    packed = {one.path for one in WheelBuilder(str(ROOT)).recurse_included_files()}

    assert {str(SHIPPED.folder / page) for page in PAGES} <= packed
