"""`vedette train`, as a person uses it: gather, correct, train, go on, fine-tune, use."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import pytest

from parts import need_torch
from rtsp_server import RTSPServer
from shell import PATIENCE_S, Told, environment, vedette
from shipped import vedette_with
from tiny_onnx import build_person_detector
from training.yard import write_yard, write_yard_coco
from vedette.detectors.card import card_toml
from vedette.detectors.catalog import ShippedModel
from vedette.sources.street.truth import parse_street, truth

need_torch()

from training.test_export import SMALL, lively  # noqa: E402
from vedette.training.export import export  # noqa: E402
from vedette.training.recipe import card_of  # noqa: E402

STREET = "synthetic://street?people=16&vehicles=8&seed=3&seconds=60&fps=2&width=480&height=270"
# Of the child processes of one test: each loads PyTorch, and trains for some seconds.


@dataclass(frozen=True)
class Work:
    """A folder in which somebody trains, and the models of that somebody."""

    folder: Path

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    def train(self, *words: object) -> Told:
        # One thread: two that wait for each other burn the time of two.
        return vedette("train", *words, cache_dir=self.cache, OMP_NUM_THREADS="1")


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Work:
    return Work(tmp_path_factory.mktemp("train"))


@pytest.fixture(scope="module")
def teacher(work: Work) -> Path:
    return build_person_detector(work.folder / "tiny.onnx")


@pytest.fixture(scope="module")
def gathered(work: Work, teacher: Path) -> Told:
    """Gather pictures of the built-in street and have them labelled."""
    return work.train(
        "--from", STREET, "--name", "street", "--labels-only", "--teacher", teacher,
        "--every", "0.5", "--pictures-max", 62, "--out", work.folder / "street",
    )  # fmt: skip


@pytest.fixture(scope="module")
def corrected(work: Work, gathered: Told) -> Path:
    """Give the labels as a patient person would correct them: those that are true."""
    assert gathered.code == 0, gathered.err
    path, objects = work.folder / "street" / "labels.json", truth(parse_street(STREET)).objects
    table = json.loads(path.read_text())
    table["annotations"] = []
    for image in table["images"]:
        number = int(image["file_name"].rsplit("_", 1)[1].removesuffix(".jpg"))
        for one in objects:
            x0, y0, x1, y1 = one.boxes.get(number, (0, 0, 0, 0))
            if x1 - x0 >= 4 and y1 - y0 >= 4:
                table["annotations"].append(
                    {
                        "id": len(table["annotations"]), "image_id": image["id"],
                        "category_id": 1 + (one.kind == "vehicle"), "iscrowd": 0,
                        "bbox": [float(side) for side in (x0, y0, x1 - x0, y1 - y0)],
                    }
                )  # fmt: skip
    given = work.folder / "corrected.json"
    given.write_text(json.dumps(table))
    return given


def from_nothing(work: Work, corrected: Path) -> tuple[object, ...]:
    return (
        "--from", work.folder / "street" / "pictures", "--labels", corrected, "--name", "anew",
        "--begin-with", "nothing", "--samples", 64, "--no-install", "--out", work.folder / "anew",
    )  # fmt: skip


@pytest.fixture(scope="module")
def anew(work: Work, corrected: Path) -> Told:
    """Train from nothing on the corrected labels."""
    return work.train(*from_nothing(work, corrected))


@pytest.fixture(scope="module")
def earlier(work: Work) -> Path:
    """Give a model made before, small and loud: it sees large things everywhere."""
    network = lively(SMALL)
    for answer, bias in zip(network.answers, (-12, -12, 1.5), strict=True):
        answer.bias.data[:2] = bias
    export(network, work.folder / "earlier.onnx", [(1.0, 0.0), (1.0, 0.0)])
    (work.folder / "earlier.toml").write_text(card_toml(card_of("earlier")))
    return work.folder / "earlier.onnx"


@pytest.fixture(scope="module")
def tuned(work: Work, corrected: Path, earlier: Path, teacher: Path) -> Told:
    """Train on from that model, judge by other pictures beside a third one, and install it."""
    names = write_yard(work.folder / "judge", 3)
    return work.train(
        "--judge", write_yard_coco(work.folder / "judge.json", names),
        "--judge-pictures", work.folder / "judge", "--beside", teacher,
        "--from", work.folder / "street" / "pictures", "--labels", corrected, "--name", "gate",
        "--begin-with", earlier, "--samples", 64, "--out", work.folder / "gate", "--json",
    )  # fmt: skip


def test_pictures_are_gathered_labelled_and_given_to_a_labelling_tool(
    work: Work, gathered: Told
) -> None:
    folder = work.folder / "street"

    assert gathered.code == 0, gathered.err
    pictures = sorted((folder / "pictures").glob("*.jpg"))
    assert 60 <= len(pictures) <= 62
    assert max(cv2.imread(str(pictures[0])).shape) <= 640
    table = json.loads((folder / "labels.json").read_text())
    assert [one["file_name"] for one in table["images"]] == [one.name for one in pictures]
    assert f"{len(pictures)} pictures that differ from each other" in gathered.err
    # What comes next is a command that can be pasted.
    again = f"--from {folder / 'pictures'} --labels {folder / 'labels.json'} --name street"
    assert f"vedette train {again}" in gathered.out


def test_a_training_from_nothing_makes_model_card_page_and_curve(work: Work, anew: Told) -> None:
    folder = work.folder / "anew"

    assert anew.code == 0, anew.err
    assert (folder / "anew.onnx").stat().st_size <= 5_000_000
    card = (folder / "anew.toml").read_text()
    assert "labels = " in card
    # Whose weights are the user's own has a licence only if the user says so.
    assert 'licence = "unknown"' in card
    page = (folder / "MODEL_CARD.md").read_text()
    for words in ("from random weights", "corrected.json, as given", "Known weaknesses", "PyTorch"):
        assert words in page
    # People are certain of their labels, so nothing is said of a machine's.
    assert "labels by machine" not in page
    assert "came from a machine" not in page
    assert cv2.imread(str(folder / "curve.png")) is not None
    assert "finds hardly anything yet" in anew.out
    assert f"vedette run SOURCE --detector {folder / 'anew.onnx'}" in anew.out


def test_a_second_call_goes_on_and_has_nothing_left_to_learn(
    work: Work, corrected: Path, anew: Told
) -> None:
    kept = work.folder / "anew" / "training.pt"
    before = kept.stat().st_mtime_ns

    again = work.train(*from_nothing(work, corrected))

    assert again.code == 0, again.err
    assert kept.stat().st_mtime_ns == before
    assert again.out == anew.out


def test_other_labels_are_not_mixed_into_a_training_that_began(
    work: Work, corrected: Path, anew: Told
) -> None:
    other = work.folder / "other.json"
    table = json.loads(corrected.read_text())
    table["annotations"].pop()
    other.write_text(json.dumps(table))

    told = work.train(
        *[other if one == corrected else one for one in from_nothing(work, corrected)]
    )

    assert told.code == 2
    assert "holds a training on other pictures or labels" in told.err.splitlines()[-1]


def test_fine_tuning_tells_before_and_after_and_shows_the_changes(work: Work, tuned: Told) -> None:
    assert tuned.code == 0, tuned.err
    outcome = json.loads(tuned.out)
    for name in ("before", "after"):
        assert outcome["held_out"][name]["person"]["objects"] > 0
    assert outcome["gain"] in {"better", "worse", "mixed", "unclear"}
    assert outcome["differ_on"] > 0
    assert cv2.imread(outcome["sheet"]) is not None
    assert "from `" in Path(outcome["card"]).read_text()
    assert outcome["installed"]


def test_it_is_judged_by_other_pictures_beside_another_model(work: Work, tuned: Told) -> None:
    outcome = json.loads(tuned.out)

    assert set(outcome["judged"]) == {"gate", "tiny"}
    # The other one was made for such pictures.
    assert outcome["judged"]["tiny"]["person"]["ap50"] > 0.9
    assert outcome["judged"]["gate"]["person"]["ap50"] < 0.5
    assert outcome["judged"]["gate"]["vehicle"]["objects"] > 0
    assert len(outcome["times"]) == 3
    page = Path(outcome["card"]).read_text()
    assert "3 labelled pictures it never saw (judge.json)" in page
    assert "| tiny |" in page


def test_the_trained_model_is_taken_by_name(work: Work, tuned: Told) -> None:
    told = vedette(
        "run", "synthetic://street?people=1&seconds=2&fps=2&width=320&height=180", "--detector",
        "gate", "--json", cache_dir=work.cache,
    )  # fmt: skip

    assert told.code == 0, told.err
    assert "gate" in told.out


def test_a_name_that_is_taken_is_refused_before_any_work(work: Work, tuned: Told) -> None:
    told = work.train("--from", work.folder, "--name", "gate")

    assert told.code == 2
    assert "there is a model 'gate' already" in told.sentence()


def test_a_teacher_that_learns_from_itself_is_named_and_too_few_objects_refused(
    work: Work, earlier: Path, teacher: Path
) -> None:
    pictures = work.folder / "few"
    write_yard(pictures, 6)

    told = work.train(
        "--from", pictures, "--name", "few", "--begin-with", earlier, "--teacher", earlier,
        "--out", work.folder / "few-out",
    )  # fmt: skip

    assert told.code == 2
    assert "vedette: the teacher is the model that is trained on" in told.err
    last = told.err.splitlines()[-1]
    assert "too few to judge a model by: 6 that differ" in last
    assert "gather more" in last


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--from", "{folder}/none"], "none: no such file or folder"),
        (["--from", "{folder}/empty"], "the folder holds neither clips nor pictures"),
        (["--from", "x", "--name", "a/b"], "--name a/b"),
        (["--from", STREET, "--teacher", "unicorn"], "no model 'unicorn'"),
        (["--from", STREET, "--begin-with", "{tiny}"], "was not made by `vedette train`"),
        (["--from", "x", "--judge", "{folder}/none.json"], "go together"),
        (["--from", STREET, "--weights", "lobby=much"], "--weights lobby=much"),
    ],
)
def test_what_cannot_be_is_refused_with_one_sentence(
    work: Work, teacher: Path, words: list[str], sentence: str
) -> None:
    (work.folder / "empty").mkdir(exist_ok=True)
    asked = [one.format(folder=work.folder, tiny=teacher) for one in words]
    for option, value in (("--name", "x"), ("--teacher", teacher), ("--begin-with", "nothing")):
        if option not in asked:
            asked += [option, value]

    told = work.train(*asked, "--out", work.folder / "refused")

    # A model of another program is the model's fault, all else the caller's.
    assert told.code == (3 if "{tiny}" in words else 2), told.err
    assert sentence in told.sentence()


def test_without_any_model_there_is_no_teacher(tmp_path: Path) -> None:
    nothing = ShippedModel("vedette-s1", tmp_path / "nothing", "", "")

    told = vedette_with(
        nothing, "train", "--from", STREET, "--name", "x", "--begin-with", "nothing",
        cache_dir=tmp_path / "cache",
    )  # fmt: skip

    assert told.code == 2
    assert "there is no model to label pictures with" in told.sentence()
    assert "vedette models pull" in told.err


def test_without_pytorch_it_says_how_to_get_it(tmp_path: Path) -> None:
    # Everything that is installed but that: `-S` leaves out what is found by itself.
    without = tmp_path / "packages"
    without.mkdir()
    for place in (one for one in sys.path if one.endswith("-packages")):
        for one in Path(place).iterdir():
            if not one.name.startswith(("torch", "functorch")):
                (without / one.name).symlink_to(one)
    source = Path(__file__).parents[2] / "src"

    done = subprocess.run(
        [sys.executable, "-S", "-m", "vedette", "train", "--from", "x", "--name", "x"],
        env=environment(tmp_path / "cache", PYTHONPATH=f"{source}:{without}"),
        capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip

    told = Told(done.returncode, done.stdout, done.stderr)
    assert told.code == 2
    assert "training needs PyTorch" in told.sentence()
    assert "vedette[train]" in told.sentence()


def test_a_real_camera_is_watched_for_as_long_as_was_asked(
    tmp_path: Path, teacher: Path, start_rtsp_server: Callable[..., RTSPServer]
) -> None:
    camera = start_rtsp_server(user="guest", password="hush")

    told = vedette(
        "train", "--from", camera.url(user="guest", password="hush"), "--name", "door",
        "--labels-only", "--teacher", teacher, "--every", "0.3", "--watch", "0.05",
        "--out", tmp_path / "door", cache_dir=tmp_path / "cache", OMP_NUM_THREADS="1",
    )  # fmt: skip

    assert told.code == 0, told.err
    pictures = list((tmp_path / "door" / "pictures").glob("*.jpg"))
    assert len(pictures) >= 2
    kept = [one.read_text() for one in (tmp_path / "door").glob("*.json*")]
    assert not any("hush" in text for text in [*kept, told.out, told.err])
