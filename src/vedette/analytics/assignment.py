"""Who is who: the cheapest one-to-one matching of rows to columns, exact, with a price for none.

Our own because importing scipy for `linear_sum_assignment` costs most of a second at every start.
Most pictures need no solver at all: where no two tracks want the same detection, the answer is
plain. What does conflict falls apart into small groups, each solved alone.

Source: successive shortest augmenting paths, Jonker and Volgenant 1987; Crouse 2016, "On
implementing 2D rectangular assignment algorithms", for the rectangular form.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vedette.analytics.boxes import Float

Index = npt.NDArray[np.intp]


def assign(cost: Float, limit: float) -> tuple[Index, Index]:
    """Match rows to columns such that matched costs, and `limit` for each row left out, are least.

    Args:
        cost: (R, C), no NaN; infinity forbids a pair.
        limit: A pair that costs this much or more is never made.

    Returns:
        Rows in rising order, and the column of each; both (M,).
    """
    allowed = cost < limit
    rows, columns = np.nonzero(allowed)
    if len(rows) <= 1 or (_each_once(rows) and _each_once(np.sort(columns))):
        return rows, columns
    matched_rows: list[int] = []
    matched_columns: list[int] = []
    for group_rows, group_columns in _groups(rows.tolist(), columns.tolist()):
        if len(group_rows) == 1:
            best = int(np.argmin(cost[group_rows[0], group_columns]))
            pairs = [(0, best)]
        elif len(group_columns) == 1:
            best = int(np.argmin(cost[group_rows, group_columns[0]]))
            pairs = [(best, 0)]
        else:
            block = np.where(allowed, cost, np.inf)[np.ix_(group_rows, group_columns)]
            pairs = _solve(block, limit)
        matched_rows += [group_rows[row] for row, _ in pairs]
        matched_columns += [group_columns[column] for _, column in pairs]
    order = np.argsort(matched_rows)
    return np.array(matched_rows, np.intp)[order], np.array(matched_columns, np.intp)[order]


def _each_once(rising: Index) -> bool:
    return not bool((rising[1:] == rising[:-1]).any())


def _groups(rows: list[int], columns: list[int]) -> list[tuple[list[int], list[int]]]:
    """Part the pairs into groups that share no row and no column; each list rising."""
    of_row: dict[int, list[int]] = {}
    of_column: dict[int, list[int]] = {}
    for row, column in zip(rows, columns, strict=True):
        of_row.setdefault(row, []).append(column)
        of_column.setdefault(column, []).append(row)
    groups = []
    seen_rows: set[int] = set()
    for first in of_row:
        if first in seen_rows:
            continue
        seen_rows.add(first)
        seen_columns: set[int] = set()
        group, waiting = [first], [first]
        while waiting:
            for column in of_row[waiting.pop()]:
                if column in seen_columns:
                    continue
                seen_columns.add(column)
                for row in of_column[column]:
                    if row not in seen_rows:
                        seen_rows.add(row)
                        group.append(row)
                        waiting.append(row)
        groups.append((sorted(group), sorted(seen_columns)))
    return groups


def _solve(cost: Float, limit: float) -> list[tuple[int, int]]:
    """Solve one group; every row also has a private column of price `limit`: staying unmatched."""
    row_count, column_count = cost.shape
    none = np.full((row_count, row_count), np.inf)
    np.fill_diagonal(none, limit)
    full = np.concatenate([cost, none], axis=1)
    row_price = np.zeros(row_count)
    column_price = np.zeros(full.shape[1])
    row_of = np.full(full.shape[1], -1)
    column_of = np.full(row_count, -1)
    for first in range(row_count):
        _augment(full, first, (row_price, column_price), (row_of, column_of))
    return [
        (row, int(column)) for row, column in enumerate(column_of.tolist()) if column < column_count
    ]


def _augment(
    cost: Float, first: int, prices: tuple[Float, Float], matching: tuple[Index, Index]
) -> None:
    """Bring one more row in along the shortest path of swaps, keeping prices feasible."""
    row_price, column_price = prices
    row_of, column_of = matching
    distance = np.full(cost.shape[1], np.inf)
    came_from = np.full(cost.shape[1], -1)
    open_columns = np.ones(cost.shape[1], np.bool_)
    rows_done = [first]
    row, reached = first, 0.0
    while True:
        along = reached + cost[row] - row_price[row] - column_price
        shorter = open_columns & (along < distance)
        distance[shorter] = along[shorter]
        came_from[shorter] = row
        column = int(np.argmin(np.where(open_columns, distance, np.inf)))
        reached = float(distance[column])
        open_columns[column] = False
        if row_of[column] < 0:
            break
        row = int(row_of[column])
        rows_done.append(row)
    row_price[first] += reached
    for done in rows_done[1:]:
        row_price[done] += reached - distance[column_of[done]]
    closed = ~open_columns
    column_price[closed] -= reached - distance[closed]
    while True:
        row = int(came_from[column])
        row_of[column] = row
        column, column_of[row] = int(column_of[row]), column
        if row == first:
            break
