"""Average precision by pycocotools, for all classes and for one."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt


@dataclass(frozen=True)
class Scored:
    """What was found in one picture: xyxy (N, 4) in its pixels, score (N,), class_id (N,)."""

    image_id: int
    xyxy: npt.NDArray[Any]
    score: npt.NDArray[Any]
    class_id: npt.NDArray[Any]


class GroundTruth:
    """Labelled pictures in COCO's format; class numbers are places in the sorted category ids."""

    def __init__(self, annotations: Path | dict[str, Any], *, crowds: bool) -> None:
        """Read the labels.

        Args:
            annotations: COCO's JSON, or a table read from one.
            crowds: True keeps regions labelled as a crowd, in which COCO forgives what is found;
                False leaves them out, so that what is found there counts as wrong.
        """
        from pycocotools.coco import COCO

        given = (
            json.loads(annotations.read_text()) if isinstance(annotations, Path) else annotations
        )
        table = dict(given)
        table["annotations"] = [
            one for one in table["annotations"] if crowds or not one.get("iscrowd")
        ]
        with contextlib.redirect_stdout(io.StringIO()):
            self._coco = COCO()
            self._coco.dataset = table
            self._coco.createIndex()
        self._category_ids = sorted(self._coco.getCatIds())

    @property
    def images(self) -> dict[int, str]:
        """Give the file name of every picture by its id."""
        return {number: image["file_name"] for number, image in sorted(self._coco.imgs.items())}

    def ap50(self, found: list[Scored]) -> tuple[float, float]:
        """Give mAP50 over all labelled classes, and the AP50 of people."""
        precision = self._precision(found)
        labelled = precision[:, precision.max(axis=0) > -1]
        return float(labelled.mean()), float(precision[:, self._place("person")].mean())

    def ap50_of(self, found: list[Scored], label: str) -> float:
        """Give the AP50 of one class."""
        return float(self._precision(found)[:, self._place(label)].mean())

    def _place(self, label: str) -> int:
        return self._category_ids.index(self._coco.getCatIds(catNms=[label])[0])

    def _precision(self, found: list[Scored]) -> npt.NDArray[Any]:
        """Give precision at IoU 0.5 by recall and class; -1 where a class has no labels."""
        from pycocotools.cocoeval import COCOeval

        rows = [
            {
                "image_id": one.image_id,
                "category_id": self._category_ids[int(class_id)],
                "bbox": [float(x1), float(y1), float(x2 - x1), float(y2 - y1)],
                "score": float(score),
            }
            for one in found
            for (x1, y1, x2, y2), score, class_id in zip(
                one.xyxy, one.score, one.class_id, strict=True
            )
        ]
        with contextlib.redirect_stdout(io.StringIO()):
            judge = COCOeval(self._coco, self._coco.loadRes(rows), "bbox")
            judge.evaluate()
            judge.accumulate()
        # IoU × recall × class × area × limit: IoU 0.5, all areas, 100 detections.
        precision: npt.NDArray[Any] = judge.eval["precision"][0, :, :, 0, -1]
        return precision
