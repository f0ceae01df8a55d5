"""Our assignment against scipy's, which Vedette itself does not import."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from vedette.analytics.assignment import assign


def least_cost(cost: np.ndarray, limit: float) -> float:
    """What scipy needs when leaving a row out costs `limit`."""
    rows = len(cost)
    none = np.where(np.eye(rows, dtype=bool), limit, 1e9)
    full = np.concatenate([np.where(cost < limit, cost, 1e9), none], axis=1)
    at = linear_sum_assignment(full)
    return float(full[at].sum())


def assigned(cost: np.ndarray, limit: float) -> tuple[np.ndarray, np.ndarray]:
    """Give the rows and columns matched, of a whole matrix of costs."""
    below = np.argwhere(cost < limit).tolist()
    pairs = assign({(row, column): float(cost[row, column]) for row, column in below}, limit)
    rows, columns = np.array(pairs, np.intp).reshape(-1, 2).T
    return rows, columns


def check(cost: np.ndarray, limit: float) -> None:
    rows, columns = assigned(cost, limit)

    assert len(set(rows.tolist())) == len(rows)
    assert len(set(columns.tolist())) == len(columns)
    assert rows.tolist() == sorted(rows.tolist())
    assert (cost[rows, columns] < limit).all()
    total = cost[rows, columns].sum() + limit * (len(cost) - len(rows))
    assert total == pytest.approx(least_cost(cost, limit), abs=1e-6)


@given(st.integers(0, 2**32 - 1))
def test_the_matching_costs_as_little_as_scipys(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, columns = rng.integers(1, 12, 2)
    cost = rng.uniform(0, 1, (rows, columns))
    cost[rng.uniform(size=cost.shape) < rng.uniform()] = np.inf
    if rng.uniform() < 0.3:
        cost = np.round(cost, 1)  # Many ties.

    check(cost, float(rng.uniform(0.1, 1.5)))


def test_a_crowd_of_300_is_matched_exactly() -> None:
    rng = np.random.default_rng(3)
    here, there = rng.uniform(0, 1, (300, 2)), rng.uniform(0, 1, (280, 2))

    check(np.linalg.norm(here[:, None] - there, axis=2), 0.12)


def test_the_best_sum_wins_over_the_best_pair() -> None:
    cost = np.array([[0.1, 0.2], [0.15, 0.9]])

    rows, columns = assigned(cost, 1.0)

    assert [*zip(rows.tolist(), columns.tolist(), strict=True)] == [(0, 1), (1, 0)]


def test_nothing_is_matched_with_nothing() -> None:
    assert assign({}, 1.0) == []
