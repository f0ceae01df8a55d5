"""The model that comes with Vedette, for tests: the real one, or a stand-in until it lies there."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from detectors.tiny import guessed_card
from shell import PATIENCE_S, Told, environment
from tiny_onnx import build_person_detector
from vedette.detectors.cache import sha256_of
from vedette.detectors.card import CARD_FILE, card_toml
from vedette.detectors.catalog import SHIPPED, ShippedModel
from vedette.detectors.shelf import MODEL_CARD_FILE

# Starts Vedette as if another model had come with it.
PROGRAM = """
import sys
from pathlib import Path
from vedette.detectors import catalog

name, folder, sha256, note = sys.argv[1:5]
catalog.SHIPPED = catalog.ShippedModel(name, Path(folder), sha256, note)
sys.argv[:5] = ["vedette"]
from vedette.__main__ import main

main()
"""


def shipped_in(folder: Path) -> ShippedModel:
    """Give the model that is shipped; where none is yet, a small one written to `folder`."""
    return SHIPPED if SHIPPED.path.is_file() else stand_in(folder)


def stand_in(folder: Path, **card: object) -> ShippedModel:
    """Write a small model with all its pages, pinned; `card` changes its card."""
    folder.mkdir(parents=True, exist_ok=True)
    model = ShippedModel("vedette-s1", folder, "", "stands in")
    build_person_detector(model.path)
    made = replace(guessed_card(model.path), name=model.name, licence="Apache-2.0", source="here")
    made = replace(made, **card)
    (folder / CARD_FILE).write_text(card_toml(made), encoding="utf-8")
    (folder / MODEL_CARD_FILE).write_text("# vedette-s1\n\nStands in.\n", encoding="utf-8")
    return replace(model, sha256=sha256_of(model.path))


def vedette_with(shipped: ShippedModel, *words: object, cache_dir: Path) -> Told:
    """Run `vedette WORDS` to its end, with that model in the place of the shipped one."""
    own = (shipped.name, shipped.folder, shipped.sha256, shipped.note)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, own), *map(str, words)],
        env=environment(cache_dir), capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    return Told(done.returncode, done.stdout, done.stderr)
