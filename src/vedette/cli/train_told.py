"""What `vedette train` says: how far each step is, and at the end what came of it."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any, Self

# Plain lines at most this often, where no terminal shows a bar.
LINE_PERIOD_S = 10.0
# With less precision than this in every class nobody wants a model.
USELESS_BELOW = 0.1
USELESS = (
    "finds hardly anything yet: train longer (--samples), on more pictures, or from the model that "
    "comes with Vedette"
)
GAINS = {
    "better": "better on the held-out pictures, by more than their uncertainty",
    "worse": "worse on the held-out pictures: do not use it; more pictures or better labels help",
    "mixed": "better in one class and worse in the other; look at the changes",
    "unclear": "no clear gain: the difference is within the uncertainty; more pictures would tell",
}


class Told:
    """Tells how far each step is: a bar on a terminal, now and then a line elsewhere."""

    def __init__(self, out: Path, *, quiet: bool) -> None:
        """Begin to tell.

        Args:
            out: Where the training keeps what is done.
            quiet: Say nothing of the steps; notes are said all the same.
        """
        self._out = out
        self._bar: Any = None
        self._tasks: dict[str, Any] = {}
        self._quiet = quiet
        self._step, self._began, self._began_s, self._told_s = "", 0, 0.0, 0.0

    def __enter__(self) -> Self:
        if sys.stderr.isatty() and not self._quiet:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

            self._bar = Progress(
                "{task.description:<10}", BarColumn(), MofNCompleteColumn(),
                TimeRemainingColumn(), console=Console(stderr=True),
            )  # fmt: skip
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
        if kind is KeyboardInterrupt:
            self.note(f"kept in {self._out}; the same command goes on there")

    def note(self, words: str) -> None:
        """Say one line that is worth reading."""
        if self._bar is not None:
            self._bar.console.print(f"vedette: {words}", markup=False, highlight=False)
        else:
            print(f"vedette: {words}", file=sys.stderr)

    def say(self, step: str, done: int, most: int) -> None:
        """Tell that `done` of `most` of a step are done."""
        if self._bar is not None:
            if step not in self._tasks:
                self._tasks[step] = self._bar.add_task(step, total=most)
            self._bar.update(self._tasks[step], completed=done, total=most)
            return
        now_s = time.monotonic()
        if step != self._step:
            self._step, self._began, self._began_s = step, done, now_s
        if not self._quiet and (done == most or now_s - self._told_s > LINE_PERIOD_S):
            self._told_s = now_s
            pace_s = (now_s - self._began_s) / max(1, done - self._began)
            left = "" if done in (most, self._began) else _left(pace_s * (most - done))
            print(f"vedette: {step} {done} of {most}{left}", file=sys.stderr)


def _left(seconds: float) -> str:
    if seconds < 90:
        return f", {seconds:.0f} s left"
    minutes = seconds / 60
    return f", {minutes:.0f} min left" if minutes < 90 else f", {minutes / 60:.1f} h left"


def shown(outcome: dict[str, Any]) -> str:
    """Give the lines of the end: what there is, how good it is, what comes next."""
    lines = [f"model      {outcome['model']}  ({outcome['size_bytes'] / 1e6:.2f} MB)"]
    lines += [f"card       {outcome['card']}", f"curve      {outcome['curve']}"]
    for name, found in outcome["held_out"].items():
        lines.append(_figures(name if "gain" in outcome else "finds", found))
    counts = outcome["pictures"]
    lines.append(
        f"{'judged on':<10} {counts['held_out']} held-out pictures; learnt from "
        f"{counts['learnt_from']}"
    )
    lines += [_figures(name, found) for name, found in outcome["judged"].items()]
    if all(one["ap50"] < USELESS_BELOW for one in outcome["held_out"]["after"].values()):
        lines.append(f"verdict    {USELESS}")
    elif "gain" in outcome:
        lines.append(f"verdict    {GAINS[outcome['gain']]}")
    if outcome.get("sheet"):
        lines.append(
            f"changes    {outcome['sheet']}  (sees {outcome['differ_on']} pictures differently)"
        )
    if "labels" in outcome:
        lines += corrected(outcome)
    asked = outcome["name"] if outcome.get("installed") else outcome["model"]
    lines.append(f"try it     vedette run SOURCE --detector {asked}")
    return "\n".join(lines)


def _figures(name: str, found: dict[str, Any]) -> str:
    each = ", ".join(
        f"{label} AP50 {one['ap50']:.3f} ± {one['uncertainty']:.3f} ({one['objects']})"
        for label, one in found.items()
    )
    return f"{name:<10} {each}"


def corrected(outcome: dict[str, Any]) -> list[str]:
    """Give the lines that tell how to correct labels."""
    return [
        f"labels     {outcome['labels']}  (COCO, for the pictures in {outcome['from']})",
        "           correct them in a labelling tool and give them back:",
        (
            f"           vedette train --from {outcome['from']} --labels {outcome['labels']} "
            f"--name {outcome['again_as']}"
        ),
    ]
