"""Prediction rows chosen by wall time: when their frames were captured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from vedette.api.events import milliseconds
from vedette.api.parts import Parts
from vedette.results import reading
from vedette.store.statements.captured import frames_between

# Times of parts are rounded to milliseconds, those of rows are cut.
_ROUNDING_MS = 2


@dataclass(frozen=True, slots=True)
class WallTime:
    """A stretch of wall time [begin, end); None bounds nothing."""

    begin: datetime | None = None
    end: datetime | None = None

    @property
    def is_all(self) -> bool:
        """True where it bounds nothing; then rows of unknown time belong to it, too."""
        return self.begin is None and self.end is None

    def holds(self, row: dict[str, Any]) -> bool:
        """Tell whether a row was captured in it; one of unknown time was not."""
        if self.is_all:
            return True
        if row["captured_at"] is None:
            return False
        at = datetime.fromisoformat(row["captured_at"])
        return (self.begin is None or at >= self.begin) and (self.end is None or at < self.end)


def captured_rows(
    parts: Parts, scenario_id: str, run: int, wall: WallTime, **span: Any
) -> Iterator[dict[str, Any]]:
    """Give the rows of a run that were captured in a stretch of wall time, in frame order.

    Args:
        parts: Where from; asked at once, so it blocks.
        scenario_id: Whose.
        run: Of which run; 0, never started, has none.
        wall: When.
        span: Further bounds, as `reading.rows` takes them.

    Raises:
        StoreUnavailable, BlobsUnavailable, NotFound: as by `reading.rows`.
    """
    if wall.is_all:
        return reading.rows(parts.store, parts.blobs, scenario_id, run, **span)
    begin_ms, end_ms = milliseconds(wall.begin), milliseconds(wall.end)
    frames = parts.store.read(
        lambda t: frames_between(
            t,
            scenario_id,
            run,
            from_ms=None if begin_ms is None else begin_ms - _ROUNDING_MS,
            to_ms=None if end_ms is None else end_ms + _ROUNDING_MS,
        )
    )
    if frames is None:
        return iter(())
    first, last = frames
    from_frame, to_frame = span.pop("from_frame", None), span.pop("to_frame", None)
    rows = reading.rows(
        parts.store,
        parts.blobs,
        scenario_id,
        run,
        from_frame=first if from_frame is None else max(first, from_frame),
        to_frame=last if to_frame is None else min(last, to_frame),
        **span,
    )
    return filter(wall.holds, rows)
