"""The training's curve as a picture: what was learnt over how many pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from vedette.training.loop import Point

WIDTH, HEIGHT = 960, 540
LEFT, TOP, RIGHT, BOTTOM = 70, 50, 30, 60
INK, GREY, PAPER = (40, 40, 40), (215, 215, 215), (255, 255, 255)
COLOURS = ((181, 101, 29), (40, 110, 200), (90, 150, 60), (150, 60, 140))


def draw_curve(points: Sequence[Point], path: Path, *, samples: int) -> None:
    """Draw all figures of a curve over the pictures learnt from, and the losses below them.

    Args:
        points: In order.
        path: A PNG file; appears whole.
        samples: Pictures of the whole plan: the right end.
    """
    canvas = np.full((HEIGHT, WIDTH, 3), PAPER, np.uint8)
    names = sorted({name for one in points for name in one.figures})
    top = max([0.5, *(v for one in points for v in one.figures.values() if not math.isnan(v))])
    for tenth in range(int(top * 10) + 2):
        y = _y(tenth / 10, top)
        cv2.line(canvas, (LEFT, y), (WIDTH - RIGHT, y), GREY, 1)
        _write(canvas, f"{tenth / 10:.1f}", (LEFT - 42, y + 5))
    for fifth in range(6):
        x = _x(samples * fifth / 5, samples)
        _write(canvas, _thousands(samples * fifth / 5), (x - 18, HEIGHT - BOTTOM + 24))
    _write(canvas, "pictures learnt from; average precision on held-out pictures", (LEFT, 28))
    for number, name in enumerate(names):
        colour = COLOURS[number % len(COLOURS)]
        line = [
            (_x(one.samples, samples), _y(one.figures[name], top))
            for one in points
            if not math.isnan(one.figures.get(name, math.nan))
        ]
        if line:
            cv2.polylines(canvas, [np.array(line, np.int32)], False, colour, 2, cv2.LINE_AA)  # noqa: FBT003
            cv2.circle(canvas, line[-1], 4, colour, -1, cv2.LINE_AA)
        last = next((one.figures[name] for one in reversed(points) if name in one.figures), None)
        shown = "" if last is None else f" {last:.3f}"
        _write(canvas, f"{name}{shown}", (LEFT + 12 + 230 * number, HEIGHT - 14), colour)
    # The ending alone tells the encoder what to write.
    draft = path.with_name(f".{path.name}")
    cv2.imwrite(str(draft), canvas)
    draft.rename(path)


def _thousands(samples: float) -> str:
    return f"{samples / 1000:.0f}k" if samples >= 10_000 else f"{samples:.0f}"


def _x(samples: float, most: int) -> int:
    return LEFT + round((WIDTH - LEFT - RIGHT) * samples / max(1, most))


def _y(value: float, top: float) -> int:
    return HEIGHT - BOTTOM - round((HEIGHT - TOP - BOTTOM) * value / (top + 0.1))


def _write(
    canvas: np.ndarray,
    words: str,
    at: tuple[int, int],
    colour: tuple[int, int, int] = INK,
) -> None:
    cv2.putText(canvas, words, at, cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, 1, cv2.LINE_AA)
