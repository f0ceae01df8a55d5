"""How good a detector is: average precision, and whether its confidence means what it says.

Sources: average precision at 101 recalls as pycocotools works it out; calibration by a line through
the logits (Platt, 1999); uncertainty by drawing pictures again (Efron, 1979).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vedette.training.pictures import Boxes
from vedette.training.teacher import overlap

Floats = npt.NDArray[np.float64]

MATCH = 0.5
RECALLS = np.linspace(0, 1, 101)
BINS = np.linspace(0, 1, 11)
BOOTSTRAPS = 200


@dataclass(frozen=True, slots=True)
class Judged:
    """One picture.

    Attributes:
        found: (M, 6) x_min, y_min, x_max, y_max, score, class.
        true: (N, 6) likewise; the score says how sure the label is.
        doubtful: (D, 6) where nobody says whether something is there: what is found there is
            neither right nor wrong.
    """

    found: Boxes
    true: Boxes
    doubtful: Boxes


@dataclass(frozen=True, slots=True)
class Matches:
    """What a detector found of one class, over all pictures.

    Attributes:
        score: (M,) strongest first.
        right: (M,) True where it is an object found for the first time.
        picture: (M,) number of its picture.
        objects: (pictures,) how many there are to find.
    """

    score: Floats
    right: npt.NDArray[np.bool_]
    picture: npt.NDArray[np.int64]
    objects: npt.NDArray[np.int64]

    def average_precision(self, weights: Floats | None = None) -> float:
        """Give the precision averaged over 101 recalls; NaN where there is nothing to find.

        Args:
            weights: (pictures,) how often each picture counts.
        """
        times = np.ones(len(self.objects)) if weights is None else weights
        total = float((self.objects * times).sum())
        if not total:
            return float("nan")
        each = times[self.picture]
        hits = np.cumsum(self.right * each)
        precision = hits / np.maximum(np.cumsum(each), 1e-9)
        best = np.maximum.accumulate(precision[::-1])[::-1]
        place = np.searchsorted(hits / total, RECALLS - 1e-12, side="left")
        reached = place < len(best)
        return (
            float(np.where(reached, best[np.minimum(place, len(best) - 1)], 0.0).mean())
            if len(best)
            else 0.0
        )

    def uncertainty(self) -> float:
        """Give the standard deviation of `average_precision` over pictures drawn again.

        NaN where there is nothing to find.
        """
        chance, count = np.random.default_rng(0), len(self.objects)
        if not self.objects.sum():
            return float("nan")
        drawn = [
            self.average_precision(
                np.bincount(chance.integers(0, count, count), minlength=count).astype(np.float64)
            )
            for _ in range(BOOTSTRAPS)
        ]
        return float(np.nanstd(drawn))

    def best_threshold(self, recall_weight: float = 1.0) -> tuple[float, float]:
        """Give the score from which precision and recall together (F) are best, and that F.

        Args:
            recall_weight: How much recall counts against precision (the beta of F-beta).
        """
        hits = np.cumsum(self.right)
        total = int(self.objects.sum())
        if not len(hits) or not total:
            return 0.5, 0.0
        square = recall_weight**2
        f = (1 + square) * hits / (np.arange(1, len(hits) + 1) + square * total)
        at = int(f.argmax())
        return float(self.score[at]), float(f[at])


def matches_of(judged: Sequence[Judged], kind: int) -> Matches:
    """Match what was found with what is there, the strongest first, each object once."""
    score: list[float] = []
    right: list[bool] = []
    picture: list[int] = []
    objects = []
    for number, one in enumerate(judged):
        found = one.found[one.found[:, 5] == kind]
        found = found[np.argsort(-found[:, 4], kind="stable")]
        true = one.true[one.true[:, 5] == kind]
        doubtful = one.doubtful[one.doubtful[:, 5] == kind]
        objects.append(len(true))
        hit = _first_hits(overlap(found, true))
        excused = _inside(found, doubtful) & ~hit
        score += found[~excused, 4].tolist()
        right += hit[~excused].tolist()
        picture += [number] * int((~excused).sum())
    order = np.argsort(-np.array(score), kind="stable")
    return Matches(
        np.array(score, np.float64)[order],
        np.array(right, np.bool_)[order],
        np.array(picture, np.int64)[order],
        np.array(objects, np.int64),
    )


def _first_hits(shared: Boxes) -> npt.NDArray[np.bool_]:
    hit = np.zeros(len(shared), np.bool_)
    free = np.ones(shared.shape[1], np.bool_)
    for at, row in enumerate(shared):
        left = np.where(free, row, -1.0)
        if len(left) and left.max() >= MATCH:
            hit[at] = True
            free[left.argmax()] = False
    return hit


def _inside(found: Boxes, doubtful: Boxes) -> npt.NDArray[np.bool_]:
    """Tell which boxes lie mostly in a doubtful one."""
    if not len(found) or not len(doubtful):
        return np.zeros(len(found), np.bool_)
    start = np.maximum(found[:, None, :2], doubtful[None, :, :2])
    end = np.minimum(found[:, None, 2:4], doubtful[None, :, 2:4])
    shared = (end - start).clip(0).prod(axis=2)
    area = np.maximum((found[:, 2:4] - found[:, :2]).prod(axis=1), 1e-9)
    covered: npt.NDArray[np.bool_] = (shared / area[:, None] > MATCH).any(axis=1)
    return covered


def calibration(matches: Matches) -> tuple[float, float]:
    """Give gain and offset that make the logits of scores those of being right.

    Logistic regression by Newton's method, held towards (1, 0): few detections change little.
    """
    score = matches.score.clip(1e-4, 1 - 1e-4)
    logit = np.log(score / (1 - score))
    terms = np.column_stack([logit, np.ones(len(logit))])
    line = np.array([1.0, 0.0])
    hold = np.diag([1.0, 1.0])
    for _ in range(50):
        said = 1 / (1 + np.exp(-(terms @ line)))
        slope = terms.T @ (said - matches.right) + hold @ (line - np.array([1.0, 0.0]))
        bend = (terms * (said * (1 - said))[:, None]).T @ terms + hold
        step = np.linalg.solve(bend, slope)
        line = line - step
        if np.abs(step).max() < 1e-6:
            break
    # A stronger detection stays a stronger one.
    return max(0.05, float(line[0])), float(line[1])


@dataclass(frozen=True, slots=True)
class Reliable:
    """One row of a reliability table: detections whose confidence lies in a tenth.

    Attributes:
        least, most: Of the confidence.
        count: Detections.
        said: Their mean confidence.
        was: Share of them that were right.
    """

    least: float
    most: float
    count: int
    said: float
    was: float


def reliability(matches: Matches) -> list[Reliable]:
    """Give the reliability table of one class; tenths in which nothing was found are left out."""
    rows = []
    place = np.digitize(matches.score, BINS[1:-1])
    for number in range(len(BINS) - 1):
        here = place == number
        if here.any():
            rows.append(
                Reliable(
                    float(BINS[number]),
                    float(BINS[number + 1]),
                    int(here.sum()),
                    float(matches.score[here].mean()),
                    float(matches.right[here].mean()),
                )
            )
    return rows


def calibration_error(rows: Sequence[Reliable]) -> float:
    """Give how far confidence is off, in the mean over detections."""
    total = sum(one.count for one in rows)
    return (
        sum(one.count * abs(one.said - one.was) for one in rows) / total if total else float("nan")
    )
