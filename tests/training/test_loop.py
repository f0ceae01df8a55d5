"""The training: its schedule, that it learns, and that kill -9 costs nothing but time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from parts import need_torch

need_torch()

import torch  # noqa: E402

from training.learner import KEEP_EVERY, PLAN, carry_out, new_training, street, yard  # noqa: E402
from vedette.domain.errors import BadInput  # noqa: E402
from vedette.training.curve import draw_curve  # noqa: E402
from vedette.training.loop import WARM_UP_STEPS, Plan, Point  # noqa: E402
from vedette.training.pictures import PictureSet  # noqa: E402

TESTS = Path(__file__).parents[1]
KILL_AFTER = 2 * KEEP_EVERY + 1


@pytest.fixture(scope="module", autouse=True)
def _threads_as_before():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def pictures() -> PictureSet:
    return street(4)


def kill_in_the_middle(folder: Path) -> None:
    """Start a training of its own and kill it -9 as it tells of a step after two keepings."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])}
    child = subprocess.Popen(
        [sys.executable, "-m", "training.learner", str(folder)],
        stdout=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    assert child.stdout is not None
    with child.stdout as lines:
        for line in lines:
            if line.split() == ["step", str(KILL_AFTER)]:
                child.send_signal(signal.SIGKILL)
    assert child.wait(240) == -signal.SIGKILL


def test_a_killed_training_goes_on_to_the_same_weights(
    tmp_path: Path, pictures: PictureSet
) -> None:
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    whole = carry_out(new_training(), tmp_path / "whole", pictures)

    kill_in_the_middle(tmp_path / "killed")
    started: list[int] = []
    again = new_training()
    again.go_on_from(tmp_path / "killed" / "training.pt")
    started.append(again.step)
    again = carry_out(again, tmp_path / "killed", pictures)

    assert 2 * KEEP_EVERY <= started[0] < PLAN.steps
    assert again.step == whole.step == PLAN.steps == 24
    for of, other in ((again.network, whole.network), (again.averaged, whole.averaged)):
        pairs = zip(of.state_dict().values(), other.state_dict().values(), strict=True)
        assert all(torch.equal(mine, theirs) for mine, theirs in pairs)
    assert [one.class_loss for one in again.curve] == [one.class_loss for one in whole.curve]


def test_a_few_dozen_steps_on_few_pictures_lower_the_loss() -> None:
    training = new_training(samples=320, first_share=0.0, four_share=0.0, rate=0.1, busy=False)

    training.run(yard(6), every=10, pause=lambda _: None)

    first, last = training.curve[0], training.curve[-1]
    assert last.samples == 320
    # 0.60 and 0.73 where this was written.
    assert last.class_loss < first.class_loss * 0.75
    assert last.box_loss < first.box_loss * 0.85


def test_a_finished_training_has_nothing_left_to_do(tmp_path: Path, pictures: PictureSet) -> None:
    done = new_training(samples=4)
    done.run(pictures, every=1, pause=lambda now: now.keep(tmp_path / "training.pt"))

    again = new_training(samples=4)
    again.go_on_from(tmp_path / "training.pt")
    again.run(pictures, every=1, pause=lambda _: pytest.fail("it learnt again"))

    assert again.step == 1


def test_a_longer_plan_goes_on_where_a_shorter_one_ended(
    tmp_path: Path, pictures: PictureSet
) -> None:
    new_training(samples=4).run(
        pictures, every=1, pause=lambda now: now.keep(tmp_path / "training.pt")
    )

    longer = new_training(samples=8)
    longer.go_on_from(tmp_path / "training.pt")
    longer.run(pictures, every=1, pause=lambda _: None)

    assert [one.samples for one in longer.curve] == [4, 8]


def test_a_damaged_state_is_refused_with_what_to_do(tmp_path: Path) -> None:
    kept = tmp_path / "training.pt"
    new_training().keep(kept)
    kept.write_bytes(kept.read_bytes()[:2000])

    with pytest.raises(BadInput, match="remove it to begin anew"):
        new_training().go_on_from(kept)


def test_what_breaks_while_batches_are_made_is_told_where_they_are_taken() -> None:
    pictures = street(1)
    pictures.places[0].boxes.resize((0, 2), refcheck=False)

    with pytest.raises(IndexError):
        new_training().run(pictures, every=1, pause=lambda _: None)


def test_steps_warm_up_hold_and_settle() -> None:
    plan = Plan(samples=32_000, batch=32, rate=1e-3, settle_share=0.3)
    rates = [plan.rate_at(step) for step in range(plan.steps)]

    assert plan.steps == 1000
    assert rates[:WARM_UP_STEPS] == sorted(rates[:WARM_UP_STEPS])
    assert set(rates[WARM_UP_STEPS:700]) == {1e-3}
    assert rates[700:] == sorted(rates[700:], reverse=True)
    assert rates[850] == pytest.approx(0.51e-3, rel=0.02)
    assert rates[-1] == pytest.approx(0.02e-3, rel=0.05)


def test_pictures_begin_small_and_end_plain() -> None:
    plan = Plan(samples=3200, batch=32, first_share=0.6, plain_share=0.12)

    assert {plan.sizes_at(step) for step in range(60)} == {plan.first_sizes}
    assert {plan.sizes_at(step) for step in range(60, 100)} == {plan.sizes}
    assert [plan.four_share_at(step) for step in (0, 87, 88, 99)] == [0.5, 0.5, 0.0, 0.0]


def test_the_curve_is_drawn_as_far_as_it_is_known(tmp_path: Path) -> None:
    points = [
        Point(100, 3.0, 2.0, {"person AP50": float("nan"), "vehicle AP50": 0.1}),
        Point(200, 2.0, 1.0, {"person AP50": 0.2, "vehicle AP50": 0.3}),
    ]

    draw_curve(points, tmp_path / "curve.png", samples=400)
    draw_curve([], tmp_path / "empty.png", samples=400)

    assert (tmp_path / "curve.png").read_bytes() != (tmp_path / "empty.png").read_bytes()
    assert not list(tmp_path.glob(".*"))
