"""How times and counts read, the same in every verb."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vedette.domain.scene import Counts


def clock_text(seconds: float) -> str:
    """Give `1:05` or `2:00:07`."""
    whole = int(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def counts_text(counts: Counts) -> str:
    """Give `person 3 now, 7 so far`."""
    told = [
        f"{label} {count.now} now, {count.distinct} so far"
        for label, count in sorted(counts.objects.items())
        if count.distinct or count.now
    ]
    return "; ".join(told) or "nothing yet"
