"""What is drawn: where, in which colour, and that nothing leaves the picture."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import numpy as np
import pytest

from pictures import ArrayFrame, grey_picture
from scenes import one_object, scene_of
from vedette.domain.event import Event, EventType
from vedette.domain.scene import Counts, ObjectCount, Scene, ZoneCount
from vedette.domain.zone import Line, ScenePlan, Zone
from vedette.sinks import ink
from vedette.sinks.draw import Painter, clock
from vedette.sinks.trails import TRACK_COLOURS

YARD = Zone("yard", ((0.5, 0.5), (0.95, 0.5), (0.95, 0.95), (0.5, 0.95)))
GATE = Line("gate", (0.2, 0.9), (0.2, 0.4))
SIZES = [(640, 360), (1280, 720), (1920, 1080), (360, 640)]


def drawn(
    scene: Scene, plan: ScenePlan | None = None, *, size: tuple[int, int] = (640, 360)
) -> np.ndarray:
    picture = grey_picture(*size)
    painter = Painter(*size, plan or ScenePlan(), title="door")
    painter.draw(picture, ArrayFrame(grey_picture(*size)), scene)
    return picture.astype(int)


@pytest.mark.parametrize("size", SIZES)
def test_box_is_drawn_around_the_object_and_not_over_it(size: tuple[int, int]) -> None:
    height = size[1] / 3
    found = one_object(size[0] / 3, size[1] / 3, size=height, track_id=4)

    picture = drawn(scene_of(found), size=size)

    left, top, right, bottom = map(round, found.xyxy_px)
    colour = np.array(TRACK_COLOURS[4])
    middle = (top + bottom) // 2
    assert np.abs(picture[middle, left - 2 : left + 3] - colour).sum(axis=1).min() < 40
    assert np.abs(picture[middle, right - 2 : right + 3] - colour).sum(axis=1).min() < 40
    assert (picture[middle, (left + right) // 2] == 90).all()


def test_boxes_of_a_bigger_frame_are_scaled_to_the_picture() -> None:
    picture = grey_picture(640, 360)
    found = one_object(960, 300, size=400, track_id=1)

    Painter(640, 360, ScenePlan(), title="").draw(
        picture, ArrayFrame(grey_picture(1920, 1080)), scene_of(found)
    )

    strip = picture[166, 318:323].astype(int)
    assert np.abs(strip - np.array(TRACK_COLOURS[1])).sum(axis=1).min() < 40


def test_unconfirmed_object_gets_a_grey_box_and_no_name() -> None:
    picture = drawn(scene_of(one_object(200, 150, size=120, track_id=None)))

    touched = picture[60:] != 90
    colours = picture[60:][touched.any(axis=2)]
    assert touched.any()
    assert np.ptp(colours, axis=1).max() < 30  # Greys alone.


def test_zone_is_tinted_and_more_so_with_something_in_it() -> None:
    empty = scene_of()
    idle = dataclasses.replace(
        empty, counts=dataclasses.replace(empty.counts, zones={"yard": ZoneCount(0, 0, 0, 0, 0.0)})
    )

    calm = drawn(idle, ScenePlan(zones=(YARD,)))
    busy = drawn(empty, ScenePlan(zones=(YARD,)))

    inside, outside = (280, 500), (280, 200)
    assert (calm[outside] == 90).all()
    assert (calm[inside] != 90).any()
    assert np.abs(busy[inside] - 90).sum() > np.abs(calm[inside] - 90).sum()


def test_arrow_of_a_line_points_to_where_in_is() -> None:
    # From the bottom up: the left hand of one who walks there points to the picture's left.
    picture = drawn(scene_of(), ScenePlan(lines=(GATE,)))

    x, y = round(0.2 * 639), round(0.65 * 359)
    bright = (picture > 200).all(axis=2)
    assert bright[y - 4 : y + 5, x - 12 : x - 3].any()
    assert not bright[y - 2 : y + 3, x + 4 : x + 8].any()


def test_crossed_line_flashes_for_a_moment() -> None:
    crossing = Event(0, EventType.LINE_CROSSED, 0, 0.0, 1, "person", "gate", "in")
    painter = Painter(640, 360, ScenePlan(lines=(GATE,)), title="")
    pictures = []
    for number, events in ((0, (crossing,)), (1, ()), (20, ())):
        picture = grey_picture(640, 360)
        painter.draw(picture, ArrayFrame(picture.copy(), number=number), scene_of(events=events))
        pictures.append(picture[180, 128].astype(int))

    # Yellow is white without its blue.
    assert pictures[0][0] < pictures[1][0] < pictures[2][0]


def test_trail_follows_the_feet_and_fades() -> None:
    painter = Painter(640, 360, ScenePlan(), title="")
    for number in range(15):
        picture = grey_picture(640, 360)
        found = one_object(100 + 20 * number, 150, size=60, track_id=2)
        painter.draw(picture, ArrayFrame(picture.copy(), number=number), scene_of(found))
    strength = np.abs(picture[206:215].astype(int) - 90).sum(axis=2).max(axis=0)
    for number in range(15, 60):
        picture = grey_picture(640, 360)
        painter.draw(picture, ArrayFrame(picture.copy(), number=number), scene_of())

    assert strength[150] < strength[250] < strength[340]
    assert (picture[60:] == 90).all()
    assert len(painter._trails) == 0


def test_names_do_not_cover_each_other_where_there_is_room() -> None:
    painter = Painter(1280, 720, ScenePlan(), title="")
    taken: list[tuple[float, float, float, float]] = []
    picture = grey_picture(1280, 720)
    for track_id in range(1, 5):
        found = one_object(400 + 12 * track_id, 300, size=160, track_id=track_id)
        painter._draw_chip(picture, found, found.xyxy_px, taken)

    for index, one in enumerate(taken):
        assert one[0] >= 0
        assert one[2] <= 1280
        for other in taken[index + 1 :]:
            wide = min(one[2], other[2]) - max(one[0], other[0])
            high = min(one[3], other[3]) - max(one[1], other[1])
            assert wide <= 0 or high <= 0


def test_header_leaves_out_what_has_no_room() -> None:
    counts = Counts({f"kind of thing {n}": ObjectCount(n, n * 10, n) for n in range(40)})

    picture = drawn(Scene((), (), counts), size=(320, 180))

    assert (picture[60:] == 90).all()


def test_clock_shows_wall_time_where_it_is_known() -> None:
    noon = datetime(2026, 3, 1, 12, 0, 5, 900_000, tzinfo=UTC)

    assert clock(ArrayFrame(grey_picture(8, 8), captured_at=noon)) == "2026-03-01 12:00:05 UTC"
    assert clock(ArrayFrame(grey_picture(8, 8), number=124)) == "00:12.4"
    assert clock(ArrayFrame(grey_picture(8, 8), number=36_610)) == "1:01:01.0"


def test_long_and_foreign_names_are_drawn_and_fit() -> None:
    for name in ("Tür 3 – Süd", "Вход", "入口", "x" * 500, "tab\there\n", "", "🙂"):
        fitted = ink.fitted(name, 120, 14, 400)
        assert ink.text_width(fitted, 14, 400) <= 120
        picture = drawn(scene_of(one_object(300, 150, label=name or "?", size=90)))
        assert (picture[60:] != 90).any()


def test_same_scene_gives_the_same_pixels() -> None:
    scene = scene_of(one_object(), one_object(200, 100, track_id=2))

    assert (drawn(scene) == drawn(scene)).all()


def test_painters_in_several_threads_do_not_disturb_each_other() -> None:
    scene = scene_of(one_object(), one_object(200, 100, track_id=2))
    alone = drawn(scene)

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda _: drawn(scene), range(200)))

    assert all((alone == picture).all() for picture in together)
