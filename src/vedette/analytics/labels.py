"""What a track is: labels under numbers, kin that detectors mix up, and the vote over a life."""

from __future__ import annotations

from collections.abc import Iterable

from vedette.analytics.track import Track

# Detectors call the same van a car in one picture and a truck in the next; a track lives through
# that. All other labels are strangers to each other.
KIN = (frozenset({"car", "truck", "bus", "train"}),)
# A track changes its label only when another one has this much more weight, so that two labels
# that stand level do not alternate.
CHANGE_RATIO = 1.1


class Labels:
    """Every label met so far, under a number that stays.

    Attributes:
        names: By number.
        kin: By number: that of the first member of the group that the label belongs to.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self.names: list[str] = []
        self.kin: list[int] = []
        self._number: dict[str, int] = {}
        self._known: tuple[tuple[str, ...], list[int]] = ((), [])
        self._chosen: dict[tuple[str, ...], list[bool]] = {}
        self.numbers(tuple(names))

    def __len__(self) -> int:
        return len(self.names)

    def numbers(self, labels: tuple[str, ...]) -> list[int]:
        """Give the number of each of a detector's labels; new ones get the next numbers."""
        # Detectors have one list of labels; a source that keeps changing it fills no memory.
        if self._known[0] is not labels:
            self._known = (labels, [self._number_of(label) for label in labels])
        return self._known[1]

    def chosen(self, labels: tuple[str, ...]) -> list[bool]:
        """Tell of each number whether it is of one of `labels`; empty means all."""
        mask = self._chosen.get(labels)
        if mask is None or len(mask) < len(self.names):
            mask = [not labels or name in labels for name in self.names]
            self._chosen[labels] = mask
        return mask

    def _number_of(self, label: str) -> int:
        if label not in self._number:
            number = len(self.names)
            self._number[label] = number
            self.names.append(label)
            family = next((one for one in KIN if label in one), frozenset({label}))
            first = next(at for at, name in enumerate(self.names) if name in family)
            self.kin.append(first)
        return self._number[label]


def vote(track: Track, label: int, confidence: float) -> int | None:
    """Add what the track was called in this look.

    Returns:
        The label it had before (-1: none) where that changed, else None.
    """
    votes = track.votes
    votes[label] = votes.get(label, 0.0) + confidence
    old = track.label
    if label == old:
        return None
    best = min(votes, key=lambda one: (-votes[one], one))
    if old >= 0 and votes[best] <= CHANGE_RATIO * votes.get(old, 0.0):
        return None
    track.label = best
    return old
