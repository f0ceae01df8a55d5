"""The learned background alone, pixel by pixel."""

from __future__ import annotations

import numpy as np

from vedette.detectors.background import Background, Uint8

REST = (90, 120, 140)
CAR = (200, 120, 120)


def plain(colour: tuple[int, int, int]) -> Uint8:
    return np.full((60, 80, 3), colour, np.uint8)


def watched(background: Background, picture: Uint8, seconds: float) -> int:
    """Look for a while, all changes being things; give how many pixels had changed at first."""
    first = -1
    for _ in range(round(seconds * 2)):
        look = background.look(picture, 0.5)
        first = int(look.changed.sum()) if first < 0 else first
        background.learn(look, look.changed, np.zeros_like(look.changed))
    return first


def parked() -> Uint8:
    picture = plain(REST)
    picture[20:40, 20:50] = CAR
    return picture


def test_a_thing_is_background_after_a_minute_and_what_it_hid_is_still_known() -> None:
    background = Background(plain(REST))
    watched(background, plain(REST), 70)

    came = watched(background, parked(), 70)
    stays = watched(background, parked(), 30)
    left = watched(background, plain(REST), 5)

    assert came == 600
    assert stays == 0
    assert left == 0


def test_somebody_who_passes_a_parked_car_does_not_make_it_new() -> None:
    background = Background(plain(REST))
    watched(background, plain(REST), 70)
    watched(background, parked(), 50)
    passer_by = parked()
    passer_by[20:40, 30:36] = (20, 120, 120)

    watched(background, passer_by, 2)
    watched(background, parked(), 14)

    assert int(background.look(parked(), 0.5).changed.sum()) == 0


def test_what_a_picture_has_in_its_neighbour_is_no_change() -> None:
    stripes = plain(REST)
    stripes[:, 10::12] = (230, 128, 128)
    background = Background(stripes)

    shifted = background.look(np.roll(stripes, 1, axis=1), 0.1)
    far = background.look(np.roll(stripes, 4, axis=1), 0.1)

    assert int(shifted.changed.sum()) == 0
    assert int(far.changed.sum()) > 0


def test_what_flickers_raises_its_limit_and_what_only_stands_there_does_not() -> None:
    background = Background(plain(REST))
    watched(background, plain(REST), 20)
    nothing = np.zeros((60, 80), np.bool_)
    for n in range(40):
        picture = plain(REST)
        picture[:10] = (110 if n % 2 else 70, 120, 140)
        picture[50:] = CAR
        background.learn(background.look(picture, 0.5), nothing, nothing)

    limit = background.look(plain(REST), 0.5).limit

    assert int(limit[:10].min()) > int(limit[50:].max())
    assert int(limit[50:].max()) == int(limit[20:40].max())


def test_a_background_made_of_its_state_learns_on_the_same() -> None:
    first = Background(plain(REST))
    watched(first, parked(), 3)
    second = Background.from_state(first.export_state())

    watched(first, plain(REST), 3)
    watched(second, plain(REST), 3)

    assert {name: array.tobytes() for name, array in first.export_state().items()} == {
        name: array.tobytes() for name, array in second.export_state().items()
    }
