"""Who is who: the cheapest one-to-one matching of rows to columns, exact, with a price for none.

Our own because importing scipy for `linear_sum_assignment` costs most of a second at every start.
Most pictures need no solver at all: where no two tracks want the same detection, the answer is
plain. What does conflict falls apart into small groups, each solved alone; so small that plain
lists are faster than arrays.

Source: successive shortest augmenting paths, Jonker and Volgenant 1987; Crouse 2016, "On
implementing 2D rectangular assignment algorithms", for the rectangular form.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

Pair = tuple[int, int]


def assign(costs: Mapping[Pair, float], limit: float) -> list[Pair]:
    """Match rows to columns such that matched costs, and `limit` for each row left out, are least.

    Args:
        costs: By (row, column), in rising order; a pair that is not there is forbidden.
        limit: All costs are below it.

    Returns:
        The pairs, in rising order.
    """
    rows, columns = {row for row, _ in costs}, {column for _, column in costs}
    if len(rows) == len(costs) == len(columns):
        return list(costs)
    matched: list[Pair] = []
    for group in _groups(costs):
        if len({row for row, _ in group}) == 1 or len({column for _, column in group}) == 1:
            matched.append(min(group, key=costs.__getitem__))
        else:
            matched += _Solver({pair: costs[pair] for pair in group}, limit).pairs()
    matched.sort()
    return matched


def _groups(pairs: Iterable[Pair]) -> list[list[Pair]]:
    """Part the pairs into groups that share no row and no column; each list rising."""
    of_row: dict[int, list[Pair]] = {}
    of_column: dict[int, list[Pair]] = {}
    for pair in pairs:
        of_row.setdefault(pair[0], []).append(pair)
        of_column.setdefault(pair[1], []).append(pair)
    groups = []
    while of_row:
        group: list[Pair] = []
        waiting = [next(iter(of_row))]
        while waiting:
            for pair in of_row.pop(waiting.pop(), ()):
                group.append(pair)
                waiting += [row for row, _ in of_column.pop(pair[1], ())]
        groups.append(sorted(group))
    return groups


class _Solver:
    """One group's matching under way, with the prices that prove it the cheapest so far.

    Every row also has a private column of price `limit`: staying unmatched.
    """

    def __init__(self, costs: Mapping[Pair, float], limit: float) -> None:
        self._own: dict[int, list[tuple[int, float]]] = {}
        for (row, column), cost in costs.items():
            self._own.setdefault(row, []).append((column, cost))
        self._private = 1 + max(column for _, column in costs)
        for row, own in self._own.items():
            own.append((self._private + row, limit))
        self._row_price = dict.fromkeys(self._own, 0.0)
        self._column_price = {column: 0.0 for own in self._own.values() for column, _ in own}
        self._row_of: dict[int, int] = {}
        self._column_of: dict[int, int] = {}

    def pairs(self) -> list[Pair]:
        for row in self._own:
            self._bring_in(row)
        return [pair for pair in self._column_of.items() if pair[1] < self._private]

    def _bring_in(self, first: int) -> None:
        """Bring one more row in along the shortest path of swaps, keeping prices feasible."""
        reachable: dict[int, float] = {}
        came_from: dict[int, int] = {}
        closed: dict[int, float] = {}
        row, reached = first, 0.0
        while True:
            price = self._row_price[row]
            for column, cost in self._own[row]:
                along = reached + cost - price - self._column_price[column]
                if column not in closed and along < reachable.get(column, math.inf):
                    reachable[column] = along
                    came_from[column] = row
            reached, column = min((far, column) for column, far in reachable.items())
            closed[column] = reachable.pop(column)
            if column not in self._row_of:
                break
            row = self._row_of[column]
        self._row_price[first] += reached
        for done, distance in closed.items():
            if done in self._row_of:
                self._row_price[self._row_of[done]] += reached - distance
            self._column_price[done] -= reached - distance
        while True:  # Swap back along the path.
            row = came_from[column]
            self._row_of[column] = row
            before = self._column_of.get(row, -1)
            self._column_of[row] = column
            if row == first:
                return
            column = before
