"""Rows of a benchmark: printed as a table, written as JSON."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

OUT = Path(__file__).parent / "out"


@dataclass(frozen=True)
class Row:
    """One measured figure: the median of its repeats, with the least and the most.

    Attributes:
        row: What was measured.
        value: Median.
        min: Least.
        max: Most.
        unit: Of the three.
        goal: Such as `>= 0.90` or `0.673 ± 0.01`; empty where there is none.
    """

    row: str
    value: float
    min: float
    max: float
    unit: str
    goal: str = ""

    @property
    def met(self) -> bool | None:
        """Tell whether the median meets the goal; None without a goal."""
        if not self.goal:
            return None
        if "±" in self.goal:
            middle, within = (float(part) for part in self.goal.split("±"))
            return abs(self.value - middle) <= within
        sign, number = self.goal.split()[:2]
        limit = float(number)
        return {
            ">=": self.value >= limit,
            "<=": self.value <= limit,
            ">": self.value > limit,
            "<": self.value < limit,
        }[sign]


def row_of(name: str, values: Sequence[float], unit: str, goal: str = "") -> Row:
    """Make a row of repeated measurements."""
    return Row(name, statistics.median(values), min(values), max(values), unit, goal)


def publish(bench: str, rows: Sequence[Row]) -> None:
    """Print the table and write `bench/out/<bench>.json`."""
    OUT.mkdir(parents=True, exist_ok=True)
    target = OUT / f"{bench}.json"
    target.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    wide = max(len(row.row) for row in rows)
    print(f"\n{bench:<{wide}}  {'median':>9}  {'min - max':>19}  {'unit':<12} goal")
    for row in rows:
        verdict = {None: "", True: "met", False: "MISSED"}[row.met]
        print(
            f"{row.row:<{wide}}  {row.value:>9.3g}  {row.min:>8.3g} - {row.max:<8.3g}  "
            f"{row.unit:<12} {row.goal} {verdict}".rstrip()
        )
