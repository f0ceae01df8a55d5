"""Pictures of one's own cameras that differ: a thousand of an empty yard teach what one does."""

from __future__ import annotations

import logging
import math
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from vedette.domain.errors import SourceError
from vedette.domain.frame import Frame, PixelFormat
from vedette.domain.packet import Packet, Verdict
from vedette.domain.stream import StreamFacts
from vedette.sources.base import Source
from vedette.training.likeness import Families
from vedette.training.pictures import Picture
from vedette.training.rendered import write_picture

logger = logging.getLogger(__name__)

# What a training looks at is smaller; a person who corrects labels wants to see more.
LONG_SIDE = 640
# A camera's pictures are alike in most of the 256 bits; from this many on something has changed.
CHANGED_FROM = 10


class Judge(Protocol):
    """Says which pictures to look at; the runner's pacers do."""

    def judge(self, packet: Packet) -> Verdict:
        """Give the verdict on one packet."""
        ...


def gather(
    source: Source,
    folder: Path,
    *,
    pacer_for: Callable[[StreamFacts], Judge],
    pictures_max: int,
    watch_s: float = math.inf,
    say: Callable[[int], object] = lambda _: None,
) -> int:
    """Write pictures of a source that differ from each other into a folder.

    Args:
        source: Not open yet; closed at the end.
        folder: Where to; files are named after the source, so that neighbours stay together.
        pacer_for: Makes who chooses the looks.
        pictures_max: Stop at so many.
        watch_s: Stop after watching a live source for so many seconds.
        say: Called with the number written so far.

    Returns:
        How many were written; a source that is lost later gives what there was.

    Raises:
        BadInput, SourceError: the source gives no pictures.
    """
    folder.mkdir(parents=True, exist_ok=True)
    families, written = Families(changed_from=CHANGED_FROM), 0
    stem = re.sub(r"[^A-Za-z0-9-]+", "-", source.name).strip("-")[:60] or "source"
    facts, began_s = source.open(), time.monotonic()
    try:
        for frame in _frames(source, pacer_for(facts)):
            picture = _shrunk(frame)
            if families.is_new(picture):
                write_picture(picture, folder / f"{stem}_{frame.number:08d}.jpg")
                written += 1
                say(written)
            if written >= pictures_max or (facts.live and time.monotonic() - began_s > watch_s):
                break
    except SourceError as error:
        if not written:
            raise
        logger.warning("source lost after %d pictures: %s", written, error)
    finally:
        source.close()
    return written


def _frames(source: Source, pacer: Judge) -> Iterator[Frame]:
    decoder = source.decoder()
    try:
        for packet in source.packets():
            yield from decoder.frames(packet, pacer.judge(packet))
    finally:
        decoder.close()


def _shrunk(frame: Frame) -> Picture:
    scale = min(1.0, LONG_SIDE / max(frame.width, frame.height))
    width, height = (max(2, round(side * scale)) for side in (frame.width, frame.height))
    return np.asarray(frame.pixels(width, height, PixelFormat.BGR24), np.uint8)


def draw_boxes(picture: Picture, boxes: np.ndarray, colour: tuple[int, int, int]) -> None:
    """Draw boxes (N, 6) with their class and score onto a picture."""
    for x0, y0, x1, y1, score, kind in boxes:
        cv2.rectangle(picture, (int(x0), int(y0)), (int(x1), int(y1)), colour, 2)
        word = f"{'person' if kind == 0 else 'vehicle'} {score:.2f}"
        place = (int(x0), max(12, int(y0) - 4))
        cv2.putText(picture, word, place, cv2.FONT_HERSHEY_SIMPLEX, 0.42, colour, 1, cv2.LINE_AA)
