"""Rewritten graphs, kept in the cache so that each model is rewritten once and not per start."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from pathlib import Path

from vedette.detectors.card import ModelCard
from vedette.detectors.graph import REWRITING_VERSION, rewrite

logger = logging.getLogger(__name__)

GRAPHS_DIR = "graphs"
READ_BYTES = 1 << 20


def faster_graph(path: Path, card: ModelCard, *, cache_dir: Path, bytes_max: int) -> Path | None:
    """Give the rewritten graph of the model at `path`, made now if it was not before.

    Its name holds the model's SHA-256 and the version of the rewriting code, so that it never
    belongs to another model. It appears under its name only when whole and proven.

    Returns:
        None where the model must be used as it is (that is remembered too).
    """
    key = f"{sha256_of(path)}-{card.family}-{len(card.labels)}-v{REWRITING_VERSION}"
    folder = cache_dir / GRAPHS_DIR
    kept, refused = folder / f"{key}.onnx", folder / f"{key}.refused"
    if kept.exists():
        return kept
    if refused.exists():
        return None
    draft = folder / f".{key}.{os.getpid()}-{threading.get_ident()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        reason = rewrite(path, card, to=draft, bytes_max=bytes_max)
        if reason is not None:
            logger.info("graph kept as it is model=%s reason=%r", card.name, reason)
            draft.write_text(reason + "\n", encoding="utf-8")
            draft.replace(refused)
            return None
        draft.replace(kept)
    except OSError as error:
        logger.warning(
            "model '%s' runs slower than it could: its rewritten graph cannot be kept in %s (%s); "
            "set VEDETTE_CACHE_DIR to a folder that can be written",
            card.name, folder, error.strerror,
        )  # fmt: skip
        return None
    finally:
        _remove(draft)
    return kept


def forget_graph(kept: Path) -> None:
    """Throw a kept graph away that turned out to be damaged."""
    logger.warning("kept graph is damaged and made anew next time file=%s", kept)
    _remove(kept)


def sha256_of(path: Path) -> str:
    """Give a file's SHA-256 as 64 hexadecimal digits, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(READ_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        logger.debug("could not remove file=%s error=%s", path, error)
