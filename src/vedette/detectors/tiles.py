"""Looking at overlapping tiles of a picture and at the whole: for objects too small for one look.

The picture is scaled once, to the size at which a tile fills the model's input; tiles are views of
that, so no full-size picture is converted and nothing is scaled twice. What the looks found is
joined in `seams.py`.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from vedette.detectors.base import Detector
from vedette.detectors.card import LetterboxKind, ModelCard
from vedette.detectors.seams import Look, joined
from vedette.domain.detection import Detections, Float32
from vedette.domain.errors import BadInput
from vedette.domain.frame import Frame, PixelFormat, Pixels
from vedette.domain.tiles import Tiles, no_tiles_for

log = logging.getLogger(__name__)

# Of a tile, shared with its neighbour: whatever is smaller is seen whole by one of them, and what
# is larger is large enough for the look at the whole picture.
OVERLAP_SHARE = 0.15
# Of a tile's side: a box that ends nearer to an inner edge may go on beyond it. Models place the
# cut side of what they see in part some pixels short; at 416 this is 8.
EDGE_SHARE = 0.02
# Source pixels enlarged more show the model blur. (Somewhat enlarged, small objects still gain.)
ENLARGED_MAX = 2.0
# From here on it is told; less is nothing but rounding to a whole number of pixels.
ENLARGED_TOLD = 1.05
# Tiles that show the picture less than this much larger than one look does are not worth a look.
GAIN_MIN = 1.1
# Digits that mean something after the noise of a busy machine.
SHARE_DIGITS = 3


@dataclass(frozen=True, slots=True)
class Tiling:
    """Where the tiles of a frame of one size lie.

    Attributes:
        frame_width, frame_height: Pixels of the source frame.
        width, height: Pixels of the scaled picture that the tiles are cut from.
        tile_width, tile_height: Pixels of every tile in it.
        corners: Left and top of each tile in it, row by row.
    """

    frame_width: int
    frame_height: int
    width: int
    height: int
    tile_width: int
    tile_height: int
    corners: tuple[tuple[int, int], ...]

    @property
    def enlarged(self) -> float:
        """How many pixels of the scaled picture one source pixel becomes, along a side."""
        return max(self.width / self.frame_width, self.height / self.frame_height)

    def look(self, found: Detections, corner: tuple[int, int]) -> Look:
        """Give what was found in the tile at `corner`, in source pixels."""
        left, top = corner
        start = np.array([left, top] * 2, np.float32)
        scale = np.array([self.frame_width / self.width, self.frame_height / self.height] * 2)
        limit = np.array([self.frame_width, self.frame_height] * 2, np.float32)
        xyxy: Float32 = np.minimum((found.xyxy + start) * scale.astype(np.float32), limit)
        near_x, near_y = EDGE_SHARE * self.tile_width, EDGE_SHARE * self.tile_height
        x1, y1, x2, y2 = found.xyxy.T
        cut = np.stack(
            [
                (x1 <= near_x) & (left > 0),
                (y1 <= near_y) & (top > 0),
                (x2 >= self.tile_width - near_x) & (left + self.tile_width < self.width),
                (y2 >= self.tile_height - near_y) & (top + self.tile_height < self.height),
            ],
            axis=1,
        )
        return Look(Detections(xyxy, found.confidence, found.class_id, found.labels), cut)


def plan_tiles(card: ModelCard, tiles: Tiles, frame_width: int, frame_height: int) -> Tiling:
    """Plan the tiles of frames of one size.

    Args:
        card: The model's.
        tiles: The grid.
        frame_width: Pixels.
        frame_height: Pixels.

    Raises:
        BadInput: such tiles would show the model nothing that one look does not.
    """
    span_x, span_y = _span(tiles.columns), _span(tiles.rows)
    scale_x, scale_y = card.width * span_x / frame_width, card.height * span_y / frame_height
    once_x, once_y = card.width / frame_width, card.height / frame_height
    if card.letterbox is not LetterboxKind.STRETCH:
        scale_x = scale_y = min(scale_x, scale_y)
        once_x = once_y = min(once_x, once_y)
    _check_worth(card, tiles, (frame_width, frame_height), max(scale_x, scale_y),
                 max(scale_x / once_x, scale_y / once_y))  # fmt: skip
    width, height = round(frame_width * scale_x), round(frame_height * scale_y)
    tile_width = min(card.width, math.ceil(width / span_x))
    tile_height = min(card.height, math.ceil(height / span_y))
    lefts = _starts(tiles.columns, width - tile_width)
    tops = _starts(tiles.rows, height - tile_height)
    return Tiling(
        frame_width,
        frame_height,
        width,
        height,
        tile_width,
        tile_height,
        tuple((left, top) for top in tops for left in lefts),
    )


def _span(count: int) -> float:
    """Give the length of `count` overlapping tiles, in tiles."""
    return count - (count - 1) * OVERLAP_SHARE


def _starts(count: int, last: int) -> list[int]:
    return [round(place * last / max(1, count - 1)) for place in range(count)]


def _check_worth(
    card: ModelCard, tiles: Tiles, frame_size: tuple[int, int], scale: float, gain: float
) -> None:
    size = f"pictures of {frame_size[0]}x{frame_size[1]}"
    if gain < GAIN_MIN:
        both = Tiles(max(tiles.columns, 2), max(tiles.rows, 2))
        raise BadInput(
            f"tiles {tiles}: {size} would be shown no larger than in one look; cut the other side "
            f"as well, such as {both}, or leave tiles out"
        )
    if scale > ENLARGED_MAX:
        raise BadInput(
            f"tiles {tiles}: {size} would be enlarged {scale:.1f} times to fill the "
            f"{card.width}x{card.height} of model '{card.name}', which shows it blur and nothing "
            f"more; use fewer tiles, or none"
        )


class TileFrame(Frame):
    """One tile as a frame: its pixels are a view of the scaled picture, made once for all tiles."""

    __slots__ = ("_corner", "_tiling", "_whole")

    def __init__(self, whole: Frame, tiling: Tiling, corner: tuple[int, int]) -> None:
        super().__init__(
            number=whole.number,
            pts=whole.pts,
            time_base=whole.time_base,
            start_pts=whole.start_pts,
            captured_at=whole.captured_at,
            width=tiling.tile_width,
            height=tiling.tile_height,
        )
        self._whole = whole
        self._tiling = tiling
        self._corner = corner

    def pixels(self, width: int, height: int, pixel_format: PixelFormat) -> Pixels:
        picture = self._whole.pixels(self._tiling.width, self._tiling.height, pixel_format)
        left, top = self._corner
        tile = picture[top : top + self.height, left : left + self.width]
        if (width, height) == (self.width, self.height):
            return tile
        smaller = width < self.width or height < self.height
        method = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
        scaled = np.asarray(cv2.resize(tile, (width, height), interpolation=method), np.uint8)
        scaled.flags.writeable = False
        return scaled


@dataclass(frozen=True, slots=True)
class TileCost:
    """What tiles cost.

    Attributes:
        tiles: The grid.
        time_share: Of the detector's CPU time, what went to tiles, with joining; None where it
            looked at nothing.
    """

    tiles: Tiles
    time_share: float | None

    def as_json(self) -> dict[str, Any]:
        """Give it as summaries show it."""
        share = None if self.time_share is None else round(self.time_share, SHARE_DIGITS)
        return {
            "grid": str(self.tiles), "looks_per_frame": self.tiles.looks, "time_share": share,
        }  # fmt: skip

    def __str__(self) -> str:
        told = f"tiles {self.tiles}: {self.tiles.looks} looks per frame"
        if self.time_share is None:
            return told
        return f"{told}; tiles took {100 * self.time_share:.0f} % of the detector's time"


class TiledDetector(Detector):
    """A detector that looks at every tile and at the whole, and tells of every object once."""

    def __init__(self, detector: Detector, card: ModelCard, tiles: Tiles) -> None:
        """Wrap a detector.

        Args:
            detector: What looks; shared or its own.
            card: Its card.
            tiles: The grid.

        Raises:
            BadInput: the detector remembers, and so must see one picture after the other.
        """
        if detector.keeps_state:
            raise no_tiles_for(detector.name, tiles)
        self.name = detector.name
        self.labels = detector.labels
        self.confidence = detector.confidence
        self.label_confidence = detector.label_confidence
        self.tiles = tiles
        self._detector = detector
        self._card = card
        self._tilings: dict[tuple[int, int], Tiling] = {}
        self._lock = threading.Lock()
        self._tiles_s = 0.0
        self._all_s = 0.0

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Find objects; see the door.

        Raises:
            BadInput: tiles would show frames of this size no better than one look.
        """
        return [self._detect_one(frame) for frame in frames]

    def close(self) -> None:
        self._detector.close()

    @property
    def cost(self) -> TileCost:
        """What tiles cost so far."""
        with self._lock:
            share = self._tiles_s / self._all_s if self._all_s else None
        return TileCost(self.tiles, share)

    def _detect_one(self, frame: Frame) -> Detections:
        tiling = self._tiling(frame.width, frame.height)
        began_s = time.thread_time()
        (whole,) = self._detector.detect([frame])
        tiles_began_s = time.thread_time()
        found = self._detector.detect([TileFrame(frame, tiling, at) for at in tiling.corners])
        looks = [tiling.look(one, at) for one, at in zip(found, tiling.corners, strict=True)]
        detections = joined([Look(whole, np.zeros((len(whole), 4), np.bool_)), *looks], self.labels)
        ended_s = time.thread_time()
        with self._lock:
            self._all_s += ended_s - began_s
            self._tiles_s += ended_s - tiles_began_s
        return detections

    def _tiling(self, width: int, height: int) -> Tiling:
        tiling = self._tilings.get((width, height))
        if tiling is None:
            # A few sizes per deployment; two threads may both plan one, and plan the same.
            tiling = plan_tiles(self._card, self.tiles, width, height)
            self._tilings[width, height] = tiling
            if tiling.enlarged > ENLARGED_TOLD:
                log.warning(
                    "tiles %s of pictures of %dx%d have fewer pixels than model '%s' takes; they "
                    "are enlarged %.1f times", self.tiles, width, height, self.name,
                    tiling.enlarged,
                )  # fmt: skip
        return tiling
