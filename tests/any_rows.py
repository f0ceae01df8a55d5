"""Any prediction row that may come, for hypothesis."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st


def _in_order(values: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Give dictionaries whose keys are in this order: hypothesis likes to vary that."""
    return st.fixed_dictionaries(values).map(lambda made: {key: made[key] for key in values})


_WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_DOUBLES = st.floats(allow_nan=False, allow_infinity=False)
_OBJECTS = _in_order(
    {
        "label": _WORDS,
        "confidence": _DOUBLES,
        "x1": _DOUBLES,
        "y1": _DOUBLES,
        "x2": _DOUBLES,
        "y2": _DOUBLES,
        "track_id": st.none() | st.integers(0, 2**62),
        "zones": st.lists(_WORDS, max_size=3),
    }
)


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


_MOMENTS = st.datetimes(
    datetime(1970, 1, 1), datetime(2500, 1, 1), timezones=st.just(UTC)  # noqa: DTZ001
).map(_text)  # fmt: skip


def any_row() -> st.SearchStrategy[dict[str, Any]]:
    """Give rows of any content; the number of their frame is yet to be set."""
    return _in_order(
        {
            "scenario_id": _WORDS,
            "camera_id": _WORDS,
            "run": st.none() | _WORDS,
            "frame": st.integers(0, 2**60),
            "pts_s": _DOUBLES,
            "captured_at": st.none() | _MOMENTS,
            "width": st.integers(1, 2**31 - 1),
            "height": st.integers(1, 2**31 - 1),
            "objects": st.lists(_OBJECTS, max_size=4),
        }
    )
