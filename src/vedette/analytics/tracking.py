"""Detections → tracks: which box is which object, over time.

ByteTrack's idea: strong detections are matched first, weak ones only to go on with tracks that
nobody else claimed. Ours differs where video is not 30 even frames a second, and where people and
not boxes are to be counted; docs/design/decisions/0002-tracking-of-our-own.md says how and why.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vedette.analytics import kalman
from vedette.analytics.assignment import Pair, assign
from vedette.analytics.boxes import Corners, overlap, touching
from vedette.analytics.kalman import Box, Motion
from vedette.analytics.labels import vote
from vedette.analytics.track import Side, Stay, Track
from vedette.domain.zone import Point


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """The tracker's limits; times are media time.

    Attributes:
        weak_confidence: Detections below this are ignored; from here to the user's confidence
            they only go on with tracks.
        confirm_s: An object younger than this is not counted: detectors and motion flicker.
        confirm_looks: Nor one seen fewer times, or in less than half of the looks since it began,
            or begun strong and only weak ever since.
        doubt_s: A track not yet confirmed is forgotten when unseen for longer (ByteTrack: for
            one frame).
        lost_s: A confirmed track is kept this long while unseen. ByteTrack's 30 frames make 1 s;
            people take longer behind a pillar or a passer-by.
        gap_s: After a hole this long in the video nobody is taken for the same.
        overlap_min: Least overlap of a detection with where its track is expected.
        weak_overlap_min: Likewise for a weak detection, of which there are many by accident.
        weak_unseen_s: Weak detections do not bring back who was unseen for longer.
        reach_std: How many standard deviations of the expected place a box may be away
            when it does not overlap: at few looks per second things move by more than their size.
        reach_sizes: And how many of its own sizes at most.
        size_ratio_min: And how much smaller or larger, in width and height.
        twin_overlap: Two detections of kin that overlap more are one object seen twice.
    """

    weak_confidence: float = 0.1
    confirm_s: float = 0.3
    confirm_looks: int = 2
    doubt_s: float = 0.25
    lost_s: float = 2.0
    gap_s: float = 10.0
    overlap_min: float = 0.1
    weak_overlap_min: float = 0.3
    weak_unseen_s: float = 0.5
    reach_std: float = 2.5
    reach_sizes: float = 2.0
    size_ratio_min: float = 0.5
    twin_overlap: float = 0.8


# Not frozen: the tracker writes into it, and half of the cost of making one would be that.
@dataclass(slots=True, eq=False)
class Found:
    """One detection as the tracker wants it, and what becomes of it.

    Attributes:
        corners: Pixels.
        box: The same as centre x, centre y, width, height.
        confidence: In [0, 1].
        strong: True where it counts: it may begin a track. A weak one only goes on with tracks.
        label, kin: Numbers of `Labels`.
        track: Whose look it is; None for nobody's.
        twin: True for the weaker one of two boxes around one object, to be ignored.
    """

    corners: Corners
    box: Box
    confidence: float
    strong: bool
    label: int
    kin: int
    track: Track | None = None
    twin: bool = False


@dataclass(frozen=True, slots=True)
class Followed:
    """What became of the tracks in one picture.

    Attributes:
        gone: Those that end now; no longer among the tracks.
        relabelled: Those confirmed earlier whose label changed now, with the one they had.
        confirmed: Those confirmed now, in the order of their new ids.
    """

    gone: list[Track]
    relabelled: list[tuple[Track, int]]
    confirmed: list[Track]


# Times closer than this are the same: a frame's time is rounded to the microsecond.
SAME_S = 1e-6
# Nearer to the picture's edge than this share of its size is at the edge.
EDGE_SHARE = 0.02


class Tracker:
    """Follows objects.

    Attributes:
        tracks: All that are followed, oldest first.
        next_id: The next confirmed one's.
    """

    def __init__(self, *, tuning: Tuning, zones: int, lines: int) -> None:
        self.tracks: list[Track] = []
        self.next_id = 1
        self._tuning = tuning
        self._zones = zones
        self._lines = lines

    def follow(
        self, now_s: float, elapsed_s: float, found: Sequence[Found], wh_px: Point
    ) -> Followed:
        """Take up one picture, `elapsed_s` after the last one."""
        kalman.predict([track.motion for track in self.tracks], elapsed_s)
        for track in self.tracks:
            track.looks += 1
        self._match(now_s, elapsed_s, found, wh_px)
        for one in found:
            if one.track is not None:
                kalman.update(one.track.motion, one.box)
                one.track.seen_s = now_s
                one.track.seen_looks += 1
        gone = [track for track in self.tracks if self._is_over(track, now_s, elapsed_s)]
        self._begin(now_s, found)
        relabelled = []
        for one in found:
            if one.track is not None:
                old = vote(one.track, one.label, one.confidence)
                if old is not None and one.track.id:
                    relabelled.append((one.track, old))
        confirmed = self._confirm(now_s, found)
        if gone:
            self.tracks = [track for track in self.tracks if track not in gone]
        return Followed(gone, relabelled, confirmed)

    def rescale(self, factor: tuple[float, float]) -> None:
        """Carry tracks over to a picture of another size; `factor`: new by old pixels, x and y."""
        for track in self.tracks:
            kalman.rescale(track.motion, factor)

    def _has_lapsed(self, unseen_s: float, elapsed_s: float) -> bool:
        """Tell whether somebody was unseen for too long before this picture came.

        Who was there in the last picture is never lost by a low frame rate alone.
        """
        missed = unseen_s > elapsed_s + SAME_S
        return (missed and unseen_s > self._tuning.lost_s) or unseen_s > self._tuning.gap_s

    def _is_over(self, track: Track, now_s: float, elapsed_s: float) -> bool:
        unseen_s = now_s - track.seen_s
        patience_s = self._tuning.lost_s if track.id else self._tuning.doubt_s
        return unseen_s > patience_s or self._has_lapsed(unseen_s, elapsed_s)

    def _match(self, now_s: float, elapsed_s: float, found: Sequence[Found], wh_px: Point) -> None:
        """Give every detection its track, where it has one; and tell twins."""
        if not found:
            return
        tuning = self._tuning
        tracks = [
            track for track in self.tracks if not self._has_lapsed(now_s - track.seen_s, elapsed_s)
        ]
        matching = _Matching(tracks, found, tuning)
        # Only who was seen lately goes on with a weak detection.
        recent_s = max(tuning.weak_unseen_s, elapsed_s + SAME_S)
        matching.look_for_overlaps(lambda track: now_s - track.seen_s <= recent_s)
        for known in (True, False):
            for strong in (True, False):
                matching.take(known=known, strong=strong)
        matching.take_within_reach(wh_px)

    def _begin(self, now_s: float, found: Sequence[Found]) -> None:
        """Begin a track for every strong detection left."""
        for one in found:
            if one.track is None and not one.twin and one.strong:
                one.track = Track(
                    motion=kalman.started(one.box),
                    kin=one.kin,
                    first_s=now_s,
                    seen_s=now_s,
                    stays=[Stay() for _ in range(self._zones)],
                    sides=[Side() for _ in range(self._lines)],
                )
                self.tracks.append(one.track)

    def _confirm(self, now_s: float, found: Sequence[Found]) -> list[Track]:
        """Give an id to whoever was seen often and long enough."""
        # A weak look goes on with a track; that alone never makes a flicker somebody to count.
        sure = [
            one.track
            for one in found
            if one.track is not None
            and not one.track.id
            and one.strong
            and self._is_sure(one.track, now_s)
        ]
        if len(sure) > 1:
            sure.sort(key=self.tracks.index)
        for track in sure:
            track.id = self.next_id
            self.next_id += 1
        return sure

    def _is_sure(self, track: Track, now_s: float) -> bool:
        return (
            now_s - track.first_s >= self._tuning.confirm_s - SAME_S
            and track.seen_looks >= self._tuning.confirm_looks
            and 2 * track.seen_looks >= track.looks
        )


class _Matching:
    """The tracks and detections of one picture, and who of them is still to be had."""

    def __init__(self, tracks: Sequence[Track], found: Sequence[Found], tuning: Tuning) -> None:
        self._tracks = tracks
        self._found = found
        self._tuning = tuning
        self._is_free = [True] * len(tracks)
        # By whether the track is confirmed, and the detection strong: what each pair would cost.
        self._wishes: dict[tuple[bool, bool], dict[Pair, float]] = {}

    def look_for_overlaps(self, is_recent: Callable[[Track], bool]) -> None:
        """Note which detections lie where tracks are expected, and which are twins.

        A twin overlaps a stronger detection, itself no twin, by too much.
        """
        found, count = self._found, len(self._tracks)
        corners = [one.corners for one in found]
        expected = [track.motion.corners for track in self._tracks]
        for at, other in touching([*expected, *corners], corners):
            one = found[other]
            if at < count:
                track = self._tracks[at]
                if track.kin == one.kin:
                    self._wish(at, other, overlap(expected[at], corners[other]), is_recent)
            elif other < at - count:
                weaker = found[at - count]
                if not one.twin and one.kin == weaker.kin and not weaker.twin:
                    likeness = overlap(weaker.corners, one.corners)
                    weaker.twin = likeness > self._tuning.twin_overlap

    def _wish(
        self, at: int, other: int, likeness: float, is_recent: Callable[[Track], bool]
    ) -> None:
        track, one = self._tracks[at], self._found[other]
        if one.strong:
            # An object seen more surely is the likelier continuation (ByteTrack's score fusion).
            similarity = likeness * one.confidence
            wished = likeness >= self._tuning.overlap_min
        else:
            similarity = likeness
            wished = likeness >= self._tuning.weak_overlap_min and is_recent(track)
        if wished and similarity > 0:
            costs = self._wishes.setdefault((track.id > 0, one.strong), {})
            costs[at, other] = -similarity

    def take(self, *, known: bool, strong: bool) -> None:
        """Give confirmed (or young) tracks their strong (or weak) detections."""
        costs = self._wishes.get((known, strong))
        if costs:
            self._assign(
                {
                    (at, other): cost
                    for (at, other), cost in costs.items()
                    if self._is_free[at] and _is_left(self._found[other])
                }
            )

    def take_within_reach(self, wh_px: Point) -> None:
        """Give who is left strong detections that do not overlap, but are near and of like size."""
        left = [other for other, one in enumerate(self._found) if _is_left(one) and one.strong]
        if not left or not any(self._is_free):
            return
        for known in (True, False):
            costs: dict[Pair, float] = {}
            for at, track in enumerate(self._tracks):
                if not self._is_free[at] or (track.id > 0) is not known or _leaves(track, wh_px):
                    continue
                for other in left:
                    one = self._found[other]
                    if one.kin == track.kin and _is_left(one):
                        similarity = _nearness(track.motion, one.box, self._tuning)
                        if similarity > 0:
                            costs[at, other] = -similarity
            self._assign(costs)

    def _assign(self, costs: dict[Pair, float]) -> None:
        for at, other in assign(costs, 0.0):
            self._found[other].track = self._tracks[at]
            self._is_free[at] = False


def _is_left(one: Found) -> bool:
    return one.track is None and not one.twin


def _leaves(track: Track, wh_px: Point) -> bool:
    """Tell who is on the way out of the picture: the next one at that edge is a new one."""
    left, top, right, bottom = track.motion.corners
    speed_x, speed_y = track.motion.x.speed, track.motion.y.speed
    edge_x, edge_y = EDGE_SHARE * wh_px[0], EDGE_SHARE * wh_px[1]
    return (
        (left < edge_x and speed_x < 0)
        or (top < edge_y and speed_y < 0)
        or (right > wh_px[0] - edge_x and speed_x > 0)
        or (bottom > wh_px[1] - edge_y and speed_y > 0)
    )


def _nearness(motion: Motion, box: Box, tuning: Tuning) -> float:
    """Give the similarity of a box that need not overlap; 0 where it is too far or unlike."""
    x, y, width, height = box
    own_width, own_height = max(motion.width.at, 1.0), max(motion.height.at, 1.0)
    ratio_x, ratio_y = width / own_width, height / own_height
    ratio = min(ratio_x, 1 / ratio_x, ratio_y, 1 / ratio_y)
    away_x, away_y = x - motion.x.at, y - motion.y.at
    away_sizes = _length(away_x, away_y) / ((own_width + own_height) / 2)
    wrong_x, wrong_y = kalman.MEASURED_STD * own_width, kalman.MEASURED_STD * own_height
    std_x = math.sqrt(motion.x.var + wrong_x * wrong_x)
    std_y = math.sqrt(motion.y.var + wrong_y * wrong_y)
    away_std = _length(away_x / std_x, away_y / std_y)
    near = away_std <= tuning.reach_std and away_sizes <= tuning.reach_sizes
    return ratio / (1.0 + away_std) if near and ratio >= tuning.size_ratio_min else 0.0


def _length(x: float, y: float) -> float:
    # Not hypot: its last bit is another one, and rows are to stay as they are.
    return math.sqrt(x * x + y * y)
