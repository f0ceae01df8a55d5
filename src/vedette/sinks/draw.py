"""Draws what was found on a picture: places, trails, boxes, name chips and a header."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vedette.domain.event import EventType
from vedette.domain.frame import Frame, Pixels
from vedette.domain.scene import Scene, SceneObject
from vedette.domain.zone import ScenePlan
from vedette.sinks import ink
from vedette.sinks.ink import Colour, Rect, hex_colour
from vedette.sinks.places import ZONE_COLOURS, LineInk, ZoneInk
from vedette.sinks.trails import Trails, track_colour

LINE_COLOUR = hex_colour("#f8fafc")
FLASH_COLOUR = hex_colour("#ffd84d")
INK_DARK = hex_colour("#10151c")
INK_LIGHT = hex_colour("#f5f7fa")
INK_DIM = hex_colour("#a9b4c2")
UNSURE = hex_colour("#c9d1db")

# Long enough to be seen at normal speed, short enough to tell one crossing from the next.
FLASH_S = 0.6
# How strongly a zone is tinted with something in it, and with nothing.
BUSY_SHARE, IDLE_SHARE = 0.2, 0.1
# A video does not show more names than people can read; what comes later keeps its box.
CHIPS_MAX = 60
# Boxes reach out of the picture; further than this nothing is seen of them.
PX_MAX = 30_000.0
REGULAR, BOLD = 400, 650


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    colour: Colour
    weight: int = REGULAR


class Painter:
    """Draws the frames of one source, in order: it remembers trails and flashes.

    All sizes follow the picture's, so that a small one stays legible and a big one fine. For one
    thread.
    """

    def __init__(
        self, width: int, height: int, plan: ScenePlan, *, title: str, header: bool = True
    ) -> None:
        """Plan for pictures of one size, pixels."""
        self._width = width
        self._height = height
        self._title = title
        # Letters shrink slower than the picture: 11 px is the least that reads well.
        self._text_px: int = max(11, min(30, round(15 * (min(width, height) / 720) ** 0.62)))
        self._unit: float = self._text_px / 14
        self._pad: float = self._text_px * 0.45
        self._chip_px = round(self._text_px * 1.5)
        self._header_px = round(self._text_px * 2.1) if header else 0
        self._zones = [
            ZoneInk(zone, ZONE_COLOURS[index % len(ZONE_COLOURS)], width, height)
            for index, zone in enumerate(plan.zones)
        ]
        self._lines = [LineInk(line, width, height) for line in plan.lines]
        self._trails = Trails(self._unit)
        self._flashes: dict[str, float] = {}

    def draw(self, picture: Pixels, frame: Frame, scene: Scene) -> None:
        """Draw one frame's scene in place.

        Args:
            picture: uint8 (height, width, 3), BGR: the frame at the painter's size.
            frame: For its clock, and the size that the scene's boxes refer to.
            scene: What was found.
        """
        scale = (self._width / frame.width, self._height / frame.height)
        boxes = [self._box(found, scale) for found in scene.objects]
        self._trails.remember(frame.pts_s, scene.objects, boxes)
        self._remember(frame.pts_s, scene)
        taken: list[Rect] = [(0, 0, self._width, self._header_px)]
        for zone in self._zones:
            self._draw_zone(picture, zone, scene)
        for line in self._lines:
            self._draw_line(picture, line, self._flash(f"line {line.name}", frame.pts_s))
        self._trails.draw(picture, frame.pts_s)
        # What is nearer to the camera stands lower, and is drawn over what is behind it.
        order = sorted(range(len(boxes)), key=lambda index: boxes[index][3])
        for index in order:
            self._draw_box(picture, scene.objects[index], boxes[index])
        for zone in self._zones:
            self._draw_zone_chip(picture, zone, scene, taken)
        for line in self._lines:
            self._draw_line_chip(picture, line, scene, taken)
        for index in order[::-1][:CHIPS_MAX]:
            self._draw_chip(picture, scene.objects[index], boxes[index], taken)
        self._draw_header(picture, frame, scene)

    def portrait(self, picture: Pixels, found: SceneObject, box: Rect, clock: str) -> None:
        """Draw one object's box, name and time on a picture of it alone."""
        self._draw_box(picture, found, box)
        self._draw_chip(picture, found, box, [])
        word = _Word(clock, INK_LIGHT)
        width = self._words_width([word]) + 2 * self._pad
        high = self._chip_px
        corner = (self._width - width, self._height - high, self._width, self._height)
        ink.tint(picture, corner, INK_DARK, 0.6)
        self._write(picture, [word], corner)

    def card(self, sentence: str) -> Pixels:
        """Give a picture with nothing but a sentence on it."""
        picture = np.full((self._height, self._width, 3), INK_DARK, np.uint8)
        room = self._width - 2 * self._pad
        text = ink.fitted(sentence, room, self._text_px, REGULAR)
        left = (self._width - ink.text_width(text, self._text_px, REGULAR)) / 2
        ink.write_text(
            picture, text, left, self._height / 2, size_px=self._text_px, weight=REGULAR,
            colour=INK_LIGHT,
        )  # fmt: skip
        return picture

    def _box(self, found: SceneObject, scale: tuple[float, float]) -> Rect:
        """Give an object's box at the picture's size, kept within what OpenCV's grid can hold."""
        x1, y1, x2, y2 = (min(max(side, -PX_MAX), PX_MAX) for side in found.xyxy_px)
        return x1 * scale[0], y1 * scale[1], x2 * scale[0], y2 * scale[1]

    def _remember(self, now_s: float, scene: Scene) -> None:
        for event in scene.events:
            if event.type is EventType.LINE_CROSSED:
                self._flashes[f"line {event.place}"] = now_s

    def _flash(self, key: str, now_s: float) -> float:
        """Give how bright a flash is now, in [0, 1]."""
        age_s = now_s - self._flashes.get(key, -math.inf)
        return 1 - age_s / FLASH_S if 0 <= age_s < FLASH_S else 0.0

    def _draw_zone(self, picture: Pixels, zone: ZoneInk, scene: Scene) -> None:
        count = scene.counts.zones.get(zone.name)
        busy = count is not None and count.now > 0
        share = BUSY_SHARE if busy else IDLE_SHARE
        ink.tint_mask(picture, zone.mask, (zone.left, zone.top), zone.colour, share)
        thick = self._unit * (2 if busy else 1)
        ink.stroke(picture, zone.outline, colour=zone.colour, thickness_px=thick, closed=True)

    def _draw_line(self, picture: Pixels, line: LineInk, flash: float) -> None:
        colour = ink.mixed(LINE_COLOUR, FLASH_COLOUR, flash)
        thick = self._unit * (2 + 2 * flash)
        size = self._text_px * 0.62
        tip, foot = line.middle + line.inward * size * 1.9, line.middle
        head = np.stack([
            tip,
            tip - line.inward * size + line.along * size * 0.7,
            tip - line.inward * size - line.along * size * 0.7,
        ])  # fmt: skip
        # First a dark rim, so that it shows on snow as on asphalt.
        shaft = np.stack([foot, tip - line.inward * size / 2])
        for paint, more in ((INK_DARK, 2 * self._unit), (colour, 0.0)):
            ink.stroke(picture, line.path, shaft, colour=paint, thickness_px=thick + more)
            if more:
                ink.stroke(picture, head, colour=paint, thickness_px=more, closed=True)
            ink.fill(picture, head, paint)
            for x, y in line.path:
                ink.disc(picture, x, y, thick / 2 + 2 * self._unit + more / 2, paint)

    def _draw_box(self, picture: Pixels, found: SceneObject, box: Rect) -> None:
        # A fine line between two pixels would be spread over both, and look dull.
        left, top, right, bottom = (float(round(side)) for side in box)
        outline = ink.rounded((left, top, right, bottom), 4 * self._unit)
        if found.track_id is None:
            ink.stroke(picture, outline, colour=UNSURE, thickness_px=1, closed=True)
            return
        colour = track_colour(found.track_id)
        thin = self._unit * 1.5
        # A soft dark rim lifts the colour off a bright ground.
        rim = thin / 2 + 1.5
        for side in (
            (left - rim, top - rim, right + rim, top + rim),
            (left - rim, bottom - rim, right + rim, bottom + rim),
            (left - rim, top + rim, left + rim, bottom - rim),
            (right - rim, top + rim, right + rim, bottom - rim),
        ):
            ink.shade(picture, side, 0.35)
        ink.stroke(picture, outline, colour=colour, thickness_px=thin, closed=True)
        length = min(0.22 * min(right - left, bottom - top), 18 * self._unit)
        accents = []
        for corner in range(4):
            arc = outline[corner * 6 : corner * 6 + 6]
            # Clockwise: before the arc comes one side, after it the next.
            before, after = _SIDES[corner - 1], _SIDES[corner]
            accents.append(
                np.concatenate([arc[:1] - before * length, arc, arc[-1:] + after * length])
            )
        ink.stroke(picture, *accents, colour=colour, thickness_px=thin * 2)

    def _draw_chip(self, picture: Pixels, found: SceneObject, box: Rect, taken: list[Rect]) -> None:
        if found.track_id is None:
            return
        words = [
            _Word(ink.fitted(found.label, self._width / 3, self._text_px, BOLD), INK_DARK, BOLD),
            _Word(str(found.track_id), INK_DARK, BOLD),
        ]
        colour = track_colour(found.track_id)
        small = _Word(f"{found.confidence * 100:.0f}%", ink.mixed(colour, INK_DARK, 0.72))
        width = self._words_width(words) + self._pad + self._small_width(small) + 2 * self._pad
        left, top, right, bottom = box
        high = self._chip_px
        gap = 2 * self._unit
        places = [
            (left, top - high - gap),
            (left, top + gap),
            (left, bottom + gap),
            (right - width, top - high - gap),
            (right + gap, top),
            (left - width - gap, top),
            (left, top - 2 * (high + gap)),
            (left, bottom + high + 2 * gap),
        ]
        chip = self._free_place(places, width, high, taken)
        ink.fill(picture, ink.rounded(chip, 3.5 * self._unit), colour)
        x = self._write(picture, words, chip)
        ink.write_text(
            picture, small.text, x, self._baseline(chip), size_px=self._small_px,
            weight=small.weight, colour=small.colour,
        )  # fmt: skip

    def _draw_zone_chip(
        self, picture: Pixels, zone: ZoneInk, scene: Scene, taken: list[Rect]
    ) -> None:
        count = scene.counts.zones.get(zone.name)
        words = [_Word(ink.fitted(zone.name, self._width / 3, self._text_px, REGULAR), INK_LIGHT)]
        if count is not None:
            words.append(_Word(str(count.now), zone.colour, BOLD))
        x, y = zone.anchor
        self._draw_pill(picture, words, zone.colour, (x + self._pad, y + self._pad), taken)

    def _draw_line_chip(
        self, picture: Pixels, line: LineInk, scene: Scene, taken: list[Rect]
    ) -> None:
        words = [_Word(ink.fitted(line.name, self._width / 3, self._text_px, REGULAR), INK_LIGHT)]
        count = scene.counts.lines.get(line.name)
        if count is not None:
            words += [
                _Word("in", INK_DIM),
                _Word(str(count.crossed_in), INK_LIGHT, BOLD),
                _Word("out", INK_DIM),
                _Word(str(count.crossed_out), INK_LIGHT, BOLD),
            ]
        # Behind the line, where the arrow is not: as far off as the chip reaches that way.
        width = self._pill_width(words)
        reach = (abs(line.inward[0]) * width + abs(line.inward[1]) * self._chip_px) / 2
        x, y = line.middle - line.inward * (reach + self._pad + 2 * self._unit)
        self._draw_pill(picture, words, LINE_COLOUR, (x - width / 2, y - self._chip_px / 2), taken)

    def _draw_pill(
        self, picture: Pixels, words: Sequence[_Word], colour: Colour,
        corner: tuple[float, float], taken: list[Rect],
    ) -> None:  # fmt: skip
        """Draw a dark translucent chip with a dot of `colour` before its words."""
        width, high = self._pill_width(words), self._chip_px
        x, y = corner
        places = [(x, y), (x, y + high + 2), (x, y - high - 2), (x + width + 2, y)]
        pill = self._free_place(places, width, high, taken)
        ink.tint_rounded(picture, pill, 3.5 * self._unit, INK_DARK, 0.72)
        radius = max(2.6, self._text_px * 0.22)
        ink.disc(picture, pill[0] + self._pad + radius, (pill[1] + pill[3]) / 2, radius, colour)
        self._write(picture, words, pill, indent=self._pad * 0.8 + 2 * radius)

    def _draw_header(self, picture: Pixels, frame: Frame, scene: Scene) -> None:
        bar: Rect = (0, 0, self._width, self._header_px)
        ink.tint(picture, bar, INK_DARK, 0.68)
        time = clock(frame)
        least = self._words_width([_Word(time, INK_DIM)]) + self._pad * 6
        right = self._width - self._pad * 1.5
        room = right - least
        shown: list[tuple[list[_Word], float]] = []
        # The most frequent come first, and are the last to be left out for want of room.
        counts = scene.counts.objects.items()
        for label, count in sorted(counts, key=lambda one: (-one[1].distinct, one[0])):
            words = [
                _Word(ink.fitted(label, self._width / 4, self._text_px, REGULAR), INK_LIGHT),
                _Word(str(count.now), INK_LIGHT, BOLD),
                _Word(f"now, {count.distinct} seen", INK_DIM),
            ]
            width = self._words_width(words) + self._pad * 3
            if width > room:
                break
            room -= width
            shown.append((words, width))
        for words, width in reversed(shown):
            left = right + self._pad * 3 - width
            self._write(picture, words, (left, 0, right, self._header_px), indent=-self._pad)
            right -= width
        name = ink.fitted(self._title, room, self._text_px, BOLD)
        title = [_Word(name, INK_LIGHT, BOLD)] if room > self._text_px * 3 else []
        self._write(picture, [*title, _Word(time, INK_DIM)], bar, indent=self._pad * 0.5)

    def _free_place(
        self, places: Sequence[tuple[float, float]], width: float, high: float, taken: list[Rect]
    ) -> Rect:
        """Give the first place, moved into the picture, that covers nothing; else the best."""
        best: Rect | None = None
        least = math.inf
        for x, y in places:
            left = min(max(x, 0), max(0, self._width - width))
            top = min(max(y, self._header_px), max(0, self._height - high))
            rect = (left, top, left + width, top + high)
            covered = sum(_overlap(rect, other) for other in taken)
            if covered < least:
                best, least = rect, covered
            if not covered:
                break
        assert best is not None
        taken.append(best)
        return best

    @property
    def _small_px(self) -> int:
        return max(9, round(self._text_px * 0.8))

    def _small_width(self, word: _Word) -> float:
        return ink.text_width(word.text, self._small_px, word.weight)

    def _words_width(self, words: Sequence[_Word]) -> float:
        widths = [ink.text_width(word.text, self._text_px, word.weight) for word in words]
        return sum(widths) + self._pad * (len(words) - 1)

    def _pill_width(self, words: Sequence[_Word]) -> float:
        return self._words_width(words) + self._pad * 2.8 + self._text_px * 0.44

    def _baseline(self, rect: Rect) -> float:
        return (rect[1] + rect[3] + self._text_px * ink.CAPITAL) / 2

    def _write(
        self, picture: Pixels, words: Sequence[_Word], rect: Rect, *, indent: float = 0.0
    ) -> float:
        """Write words from the left; give where the next would begin."""
        x = rect[0] + self._pad + indent
        for word in words:
            ink.write_text(
                picture, word.text, x, self._baseline(rect), size_px=self._text_px,
                weight=word.weight, colour=word.colour,
            )  # fmt: skip
            x += ink.text_width(word.text, self._text_px, word.weight) + self._pad
        return x


# Directions of the sides of a box, clockwise from the top.
_SIDES = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]], dtype=np.float64)


def _overlap(one: Rect, other: Rect) -> float:
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return wide * high if wide > 0 and high > 0 else 0.0


def clock(frame: Frame) -> str:
    """Give the time to show: the wall's where it is known, else since the source's start."""
    if frame.captured_at is not None:
        return f"{frame.captured_at:%Y-%m-%d %H:%M:%S} UTC"
    minutes, seconds = divmod(max(0.0, frame.pts_s), 60)
    hours, minutes = divmod(int(minutes), 60)
    tail = f"{int(minutes):02d}:{int(seconds):02d}.{int(seconds * 10) % 10}"
    return f"{hours}:{tail}" if hours else tail
