"""The shelf of installed models: one folder each, with `model.onnx` and its card.

A folder appears under its model's name only when it is whole, by one rename. Beside them stands the
model that comes with Vedette, which nobody can remove.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vedette.detectors.cache import GRAPHS_DIR, sha256_of
from vedette.detectors.card import (
    CARD_FILE,
    ModelCard,
    card_toml,
    is_model_name,
    read_card,
    read_card_table,
)
from vedette.detectors.catalog import Catalog, ShippedModel
from vedette.detectors.guess import card_for
from vedette.detectors.session import Session, check_file
from vedette.domain.errors import BadInput, ConfigError, Conflict, ModelUnreadable, NotFound
from vedette.domain.model_origin import ModelOrigin

MODELS_DIR = "models"
MODEL_FILE = "model.onnx"
# For people: what it is for, what it learned from, how good it is. Not every model has one.
MODEL_CARD_FILE = "MODEL_CARD.md"
# Begins the folders of models on their way in or out; no model's name begins so.
DRAFT = ".draft-"


@dataclass(frozen=True, slots=True)
class ShelfModel:
    """An installed model.

    Attributes:
        name: Its folder's name.
        path: The model file.
        size_bytes: Its length.
        card: How to use it; None where the card cannot be read.
        problem: Why not, or None.
        note: What a person chooses by; empty where nobody wrote one.
        is_shipped: It comes with Vedette.
    """

    name: str
    path: Path
    size_bytes: int
    card: ModelCard | None
    problem: str | None = None
    note: str = ""
    is_shipped: bool = False

    @property
    def model_card(self) -> Path | None:
        """Its model card, for people; None where it has none."""
        page = self.path.parent / MODEL_CARD_FILE
        return page if page.is_file() else None

    @property
    def card_path(self) -> Path | None:
        """The page that tells most of it: its model card, else its card; None without either."""
        card = self.path.parent / CARD_FILE
        return self.model_card or (card if card.is_file() else None)


class Shelf:
    """Installed models by name."""

    def __init__(
        self,
        cache_dir: Path,
        catalog: Catalog,
        *,
        bytes_max: int,
        shipped: ShippedModel | None = None,
        trial: Callable[[Path, ModelCard], object] | None = None,
    ) -> None:
        """Look at the shelf below `cache_dir`; it need not exist yet.

        Args:
            cache_dir: Where models and what was made of them lie.
            catalog: Models that can be pulled.
            bytes_max: A larger model file is refused.
            shipped: The model that comes with Vedette.
            trial: Loads a model before it is added; raises where it cannot be used.
        """
        self._cache_dir = cache_dir
        self._folder = cache_dir / MODELS_DIR
        self._catalog = catalog
        self._bytes_max = bytes_max
        self._shipped = shipped
        self._trial = trial

    def models(self) -> list[ShelfModel]:
        """Give what is installed, by name, then what is shipped; a damaged one says its problem."""
        shipped = self.shipped()
        last = [] if shipped is None else [shipped]
        if not self._folder.is_dir():
            return last
        return [
            self._read(folder)
            for folder in sorted(self._folder.iterdir())
            if folder.is_dir() and is_model_name(folder.name) and not self._is_shipped(folder.name)
        ] + last

    def shipped(self) -> ShelfModel | None:
        """Give the model that comes with Vedette; a damaged one says its problem."""
        one = self._shipped
        if one is None or not (one.sha256 or one.path.is_file()):
            return None
        size_bytes = one.path.stat().st_size if one.path.is_file() else 0
        try:
            check_file(one.path, bytes_max=self._bytes_max)
            if one.sha256 and sha256_of(one.path) != one.sha256:
                raise BadInput(f"{one.path}: is not the file that Vedette was published with")
            card = read_card(one.folder / CARD_FILE)
        except (BadInput, ModelUnreadable) as error:
            return ShelfModel(one.name, one.path, size_bytes, None, str(error), is_shipped=True)
        return ShelfModel(one.name, one.path, size_bytes, card, note=one.note, is_shipped=True)

    def best(self) -> str | None:
        """Give the name of the model to use when nobody says.

        That is the catalog's best that is installed, else the first by name, else the shipped one.
        """
        sound = [model.name for model in self.models() if model.card is not None]
        ranked = [model.card.name for model in self._catalog if model.card.name in sound]
        return next(iter([*ranked, *sound]), None)

    def resolve(self, name_or_file: str) -> tuple[Path, ModelCard]:
        """Give model file and card of an installed model, or of a file anywhere.

        The card of `FILE.onnx` is `FILE.toml` beside it; what that lacks is told by the graph.

        Raises:
            NotFound: no such model; says how to get it.
            BadInput: no such file, or its card cannot be.
            ModelUnreadable: the file is no detector, or its graph tells too little.
        """
        if _is_file_name(name_or_file):
            path = Path(name_or_file)
            beside = path.with_suffix(".toml")
            return path, self._card(path, beside if beside.is_file() else None, name=None)
        if not is_model_name(name_or_file):
            raise NotFound(f"no model '{name_or_file}'; see vedette models list")
        model = self._installed(name_or_file)
        if model.card is None:
            mend = (
                "install Vedette anew"
                if model.is_shipped
                else f"remove and add it again (vedette models remove {model.name})"
            )
            raise BadInput(f"model '{model.name}': {model.problem}; {mend}")
        return model.path, model.card

    def origin(self, name_or_file: str, card: ModelCard) -> ModelOrigin:
        """Tell people whose model that is; `card` is what `resolve` gave for it."""
        if _is_file_name(name_or_file):
            beside = Path(name_or_file).with_suffix(".toml")
            page = beside if beside.is_file() else None
        else:
            page = self._installed(name_or_file).card_path
        return ModelOrigin(
            name=card.name,
            licence=card.licence,
            source=card.source,
            card=None if page is None else str(page.absolute()),
        )

    def add(
        self,
        path: Path,
        *,
        name: str | None = None,
        card_file: Path | None = None,
        model_card: Path | None = None,
    ) -> ShelfModel:
        """Copy a model file onto the shelf; its card is given, guessed, or a mix of both.

        Args:
            path: The model file.
            name: What to call it; None takes the card's or the file's.
            card_file: Its card, whole or in part; None takes `FILE.toml` beside it.
            model_card: Its page for people, or None.

        Raises:
            Conflict: the name is taken.
            BadInput, ModelUnreadable: the file or the card cannot be used; says why.
            ConfigError: the shelf cannot be written.
        """
        if card_file is None and path.with_suffix(".toml").is_file():
            card_file = path.with_suffix(".toml")
        card = self._card(path, card_file, name=name)
        self.check_free(card.name)
        if self._trial is not None:
            self._trial(path, card)
        with self.draft(card) as draft:
            shutil.copyfile(path, draft)
            if model_card is not None:
                shutil.copyfile(model_card, draft.with_name(MODEL_CARD_FILE))
        return self._installed(card.name)

    def remove(self, name: str) -> None:
        """Take a model off the shelf, and what was made of it out of the cache.

        Raises:
            NotFound: it is not there.
            Conflict: it comes with Vedette.
            ConfigError: its folder cannot be removed.
        """
        model = self._installed(name)
        if model.is_shipped:
            raise Conflict(
                f"model '{name}' comes with Vedette and stays; to use another, name it with "
                "--detector, or install one: auto takes it first"
            )
        with _tells_folder(self._folder):
            made = sha256_of(model.path) if model.path.is_file() else None
            # One rename first: whoever looks sees the whole model or none.
            gone = Path(tempfile.mkdtemp(prefix=DRAFT, dir=self._folder))
            (self._folder / name).rename(gone / name)
            shutil.rmtree(gone)
            if made is not None:
                for graph in (self._cache_dir / GRAPHS_DIR).glob(f"{made}-*"):
                    graph.unlink(missing_ok=True)

    def find(self, name: str) -> ShelfModel | None:
        """Give the installed or shipped model of that name, or None."""
        if self._is_shipped(name):
            return self.shipped()
        folder = self._folder / name
        return self._read(folder) if is_model_name(name) and folder.is_dir() else None

    def check_free(self, name: str) -> None:
        """Make sure that a name is not taken.

        Raises:
            Conflict: it is.
        """
        if self._is_shipped(name):
            raise Conflict(f"the model that comes with Vedette is '{name}'; give another --name")
        if self.find(name) is not None:
            raise Conflict(
                f"there is a model '{name}' already; give another --name, or first: "
                f"vedette models remove {name}"
            )

    @contextmanager
    def draft(self, card: ModelCard) -> Iterator[Path]:
        """Give a path to write a model file to; leaving without an error installs it.

        Raises:
            Conflict: the name was taken meanwhile.
            ConfigError: the shelf cannot be written, or is full.
        """
        with _tells_folder(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix=DRAFT, dir=self._folder))
            try:
                made = folder / "made"
                made.mkdir()
                yield made / MODEL_FILE
                (made / CARD_FILE).write_text(card_toml(card), encoding="utf-8")
                made.rename(self._folder / card.name)
            except OSError as error:
                if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                    self.check_free(card.name)
                raise
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    def _installed(self, name: str) -> ShelfModel:
        model = self.find(name)
        if model is not None:
            return model
        if name in self._catalog:
            raise NotFound(
                f"model '{name}' is not installed; to get it: vedette models pull {name}"
            )
        installed = ", ".join(one.name for one in self.models()) or "none"
        raise NotFound(
            f"no model '{name}'; installed: {installed}; to be pulled: "
            f"{', '.join(one.card.name for one in self._catalog) or 'none'}; see vedette models"
        )

    def _is_shipped(self, name: str) -> bool:
        return self._shipped is not None and self._shipped.name == name

    def _read(self, folder: Path) -> ShelfModel:
        path = folder / MODEL_FILE
        size_bytes = path.stat().st_size if path.is_file() else 0
        try:
            check_file(path, bytes_max=self._bytes_max)
            card = read_card(folder / CARD_FILE)
        except (BadInput, ModelUnreadable) as error:
            return ShelfModel(folder.name, path, size_bytes, None, str(error))
        name = folder.name
        note = self._catalog.model(name).note if name in self._catalog else ""
        return ShelfModel(name, path, size_bytes, card, note=note)

    def _card(self, path: Path, card_file: Path | None, *, name: str | None) -> ModelCard:
        check_file(path, bytes_max=self._bytes_max)
        given: Mapping[str, Any] = {} if card_file is None else read_card_table(card_file)
        if name is not None:
            if not is_model_name(name):
                raise BadInput(
                    f"--name {name}: a model's name has letters, digits, '.', '_' and '-' alone"
                )
            given = {**given, "name": name}
        known = [one for one in self._catalog if one.card.name == name or name is None]
        known = [one for one in known if one.size_bytes == path.stat().st_size]
        if not given.keys() - {"name"} and known:
            digest = sha256_of(path)
            for one in known:
                if one.sha256 == digest:
                    return one.card
        facts = Session(path, bytes_max=self._bytes_max, optimise=False).facts
        named = str(given.get("name", _name_of(path)))
        return card_for(facts, name=named, given=given, origin=f"model {path}")


def _is_file_name(text: str) -> bool:
    return text.lower().endswith(".onnx") or os.sep in text


def _name_of(path: Path) -> str:
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("._-").lower().replace("_", "-")
    return plain[:80] or "model"


@contextmanager
def _tells_folder(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(
            f"models folder {folder}: cannot be written: {error.strerror or error}; make room or "
            f"set VEDETTE_CACHE_DIR to another folder"
        ) from error
