"""The detector that runs a model file in ONNX Runtime on the processor."""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from vedette.detectors.base import Detector
from vedette.detectors.cache import faster_graph, forget_graph
from vedette.detectors.card import Colours, Family, ModelCard, Scaling
from vedette.detectors.detr import DetrDecoder
from vedette.detectors.guess import check_card_input, picture_input
from vedette.detectors.letterbox import Letterbox, fit
from vedette.detectors.nms import RawBoxes, finished
from vedette.detectors.session import Session, check_file
from vedette.detectors.yolo import Yolov8Decoder, YoloxDecoder
from vedette.domain.detection import Detections, Float32
from vedette.domain.errors import BadInput, DetectorError, ModelUnreadable
from vedette.domain.frame import Frame, PixelFormat

logger = logging.getLogger(__name__)

# Below this a detection is noise even to a tracker that follows weak ones.
CONFIDENCE_FLOOR = 0.1
# Inputs kept per thread, one per shape of frame among the sources.
BUFFERS_MAX = 4
FORMATS = {Colours.BGR: PixelFormat.BGR24, Colours.RGB: PixelFormat.RGB24}
Decoder = Callable[[Sequence[Float32], tuple[int, int]], RawBoxes]
DECODERS: dict[Family, type[YoloxDecoder | Yolov8Decoder | DetrDecoder]] = {
    Family.YOLOX: YoloxDecoder,
    Family.YOLOV8: Yolov8Decoder,
    Family.DETR: DetrDecoder,
}


class OnnxDetector(Detector):
    """One loaded model for all sources; `detect` may be called from many threads at once.

    Frames of a batch go through one by one: on a processor a batch costs what its frames cost.
    """

    def __init__(
        self,
        path: Path,
        card: ModelCard,
        *,
        cache_dir: Path | None,
        bytes_max: int = 2_000_000_000,
        confidence_floor: float = CONFIDENCE_FLOOR,
        classes: Sequence[str] | None = None,
        rectangular: bool = True,
    ) -> None:
        """Load the model and try it on one empty picture.

        Args:
            path: The model file.
            card: How to use it.
            cache_dir: Where its rewritten graph is kept; None uses the graph as it is.
            bytes_max: A larger file is refused.
            confidence_floor: Weaker detections are not given; above 0.
            classes: Give only these labels; None gives all.
            rectangular: False gives every picture the model's full size, padding and all.

        Raises:
            BadInput: no such file; or a label the model does not know.
            ModelUnreadable: it is no model, or takes or gives other tensors than its card says.
        """
        assert confidence_floor > 0
        self.name = card.name
        self.labels = card.labels
        self.confidence = card.confidence
        self.label_confidence = card.label_confidence
        self._wanted = _wanted(card, classes)
        self._format = FORMATS[card.colours]
        self._decode: Decoder = DECODERS[card.family](card, floor=confidence_floor)
        self._session, dynamic = _open(path, card, cache_dir=cache_dir, bytes_max=bytes_max)
        self._card = dataclasses.replace(card, dynamic=dynamic and rectangular)
        self._kind = _check_input(path, card, self._session)
        self._fits: dict[tuple[int, int], Letterbox] = {}
        self._thread = threading.local()
        self._try()

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Find objects; see the door. Asks each frame for pixels at the model's size.

        Raises:
            DetectorError: the model's answer holds NaN, infinity or no scores.
            ModelUnreadable: its answer has another shape than its card says.
        """
        return [self._detect_one(frame) for frame in frames]

    def _detect_one(self, frame: Frame) -> Detections:
        letterbox = self._fit(frame.width, frame.height)
        pixels = frame.pixels(letterbox.width, letterbox.height, self._format)
        tensor = self._filled(pixels, letterbox)
        outputs = self._session.run({self._card.input: tensor})
        raw = self._decode(outputs, (letterbox.canvas_height, letterbox.canvas_width))
        if self._wanted is not None and len(raw.score):
            kept = self._wanted[raw.class_id]
            raw = RawBoxes(raw.xyxy[kept], raw.score[kept], raw.class_id[kept])
        return finished(raw, letterbox, self.labels, nms_iou=self._card.nms_iou)

    def _fit(self, width: int, height: int) -> Letterbox:
        letterbox = self._fits.get((width, height))
        if letterbox is None:
            # A few shapes per deployment; two threads may both make one, and make the same.
            letterbox = self._fits[width, height] = fit(self._card, width, height)
        return letterbox

    def _filled(self, pixels: npt.NDArray[np.uint8], letterbox: Letterbox) -> Float32:
        """Give this thread's input with the picture in it; valid until its next call."""
        kept: dict[Letterbox, _Buffer] = self._thread.__dict__.setdefault("buffers", {})
        buffer = kept.get(letterbox)
        if buffer is None:
            if len(kept) >= BUFFERS_MAX:
                kept.clear()
            buffer = kept[letterbox] = _Buffer(letterbox, self._card, self._kind)
        return buffer.filled(pixels)

    def _try(self) -> None:
        """Run an empty picture, so that a wrong card shows at start and not in the first frame."""
        letterbox = fit(self._card, self._card.width, self._card.height)
        tensor = _Buffer(letterbox, self._card, self._kind).tensor
        outputs = self._session.run({self._card.input: tensor})
        try:
            self._decode(outputs, (letterbox.canvas_height, letterbox.canvas_width))
        except ModelUnreadable:
            raise
        except DetectorError as error:
            # Numbers are judged on real pictures: an empty one may be more than a model can bear.
            logger.warning("on an empty picture: %s", error)


class _Buffer:
    """The model's input for frames of one shape: padding written once, pictures over and over."""

    def __init__(self, letterbox: Letterbox, card: ModelCard, kind: type[np.floating]) -> None:
        sides = (letterbox.canvas_height, letterbox.canvas_width)
        factor, offset = _scaling(card)
        self.tensor = np.empty((1, 3, *sides), kind)
        self.tensor[0] = card.pad * factor + offset
        rows = slice(letterbox.top, letterbox.top + letterbox.height)
        columns = slice(letterbox.left, letterbox.left + letterbox.width)
        self._picture = self.tensor[0, :, rows, columns]
        # Planes are made of bytes first: it moves a quarter of the memory that floats would.
        self._planes = np.empty((3, letterbox.height, letterbox.width), np.uint8)
        self._plane_list = list(self._planes)
        self._factor = None if card.scaling is Scaling.BYTES else factor.astype(kind)
        self._offset = None if card.scaling is not Scaling.MEAN_STD else offset.astype(kind)

    def filled(self, pixels: npt.NDArray[np.uint8]) -> Float32:
        cv2.split(pixels, self._plane_list)
        np.copyto(self._picture, self._planes)
        if self._factor is not None:
            np.multiply(self._picture, self._factor, out=self._picture)
        if self._offset is not None:
            np.add(self._picture, self._offset, out=self._picture)
        return self.tensor


def _scaling(card: ModelCard) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Give factor and offset per colour, both (3, 1, 1), that make bytes what the model takes."""
    factor, offset = np.ones(3), np.zeros(3)
    if card.scaling is Scaling.UNIT:
        factor = factor / 255
    if card.scaling is Scaling.MEAN_STD:
        factor, offset = 1 / (255 * np.array(card.std)), -np.array(card.mean) / np.array(card.std)
    return factor[:, None, None], offset[:, None, None]


def _open(
    path: Path, card: ModelCard, *, cache_dir: Path | None, bytes_max: int
) -> tuple[Session, bool]:
    """Give the session, of the rewritten graph where there is one, and whether sizes are open."""
    if cache_dir is not None and card.family is Family.YOLOX:
        check_file(path, bytes_max=bytes_max)
        kept = faster_graph(path, card, cache_dir=cache_dir, bytes_max=bytes_max)
        if kept is not None:
            try:
                return Session(kept, bytes_max=2 * bytes_max), True
            except (BadInput, ModelUnreadable):
                forget_graph(kept)
    return Session(path, bytes_max=bytes_max), card.dynamic


def _check_input(path: Path, card: ModelCard, session: Session) -> type[np.floating]:
    picture = picture_input(session.facts, origin=f"model {path}")
    check_card_input(card, picture, origin=f"model {path}")
    return np.float16 if picture.kind == "tensor(float16)" else np.float32


def _wanted(card: ModelCard, classes: Sequence[str] | None) -> npt.NDArray[np.bool_] | None:
    if classes is None:
        return None
    unknown = [label for label in classes if label not in card.labels]
    if unknown:
        raise BadInput(
            f"model '{card.name}' knows no class '{unknown[0]}'; it knows {', '.join(card.labels)}"
        )
    return np.array([label in classes for label in card.labels], dtype=np.bool_)
