"""Scene files: what is read, and one clear sentence for everything else."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.analytics.scene_file import parse_scene
from vedette.domain.errors import BadInput
from vedette.domain.zone import Line, ScenePlan, Zone

GOOD = """\
# A shop's door.
zones:
  - name: door
    polygon: [[0.1, 0.2], [0.4, 0.2], [0.4, 1]]
  - name: counter
    polygon:
      - [0.5, 0.5]
      - [0.9, 0.5]
      - [0.9, 0.9]
      - [0.5, 0.9]
    labels: [person]
lines:
  - {name: street, from: [0, 0.5], to: [1, 0.5], labels: [car, truck]}
"""


def test_zones_and_lines_are_read_in_their_order() -> None:
    assert parse_scene(GOOD, "shop.yaml") == ScenePlan(
        zones=(
            Zone("door", ((0.1, 0.2), (0.4, 0.2), (0.4, 1.0))),
            Zone("counter", ((0.5, 0.5), (0.9, 0.5), (0.9, 0.9), (0.5, 0.9)), ("person",)),
        ),
        lines=(Line("street", (0.0, 0.5), (1.0, 0.5), ("car", "truck")),),
    )


ZONE = "zones:\n  - name: door\n    polygon: [[0.1, 0.2], [0.4, 0.2], [0.4, 0.9]]\n"


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("", None, "is empty"),
        ("# nothing\n", None, "is empty"),
        ("zones: []\n", 1, "names no zone and no line"),
        ("just words\n", 1, "zones and lines"),
        ("- name: door\n", 1, "zones and lines"),
        ("zone:\n  - name: door\n", 1, "did you mean 'zones'?"),
        ("cameras: []\n", 1, "it has zones and lines"),
        (ZONE + "zones: []\n", 4, "'zones' stands here twice"),
        ("zones: door\n", 1, "'zones' is a list"),
        ("zones:\n  - door\n", 2, "a zone is written as `key: value`"),
        ("zones:\n  - name: door\n", 2, "a zone needs 'polygon'"),
        ("zones:\n  - polygon: [[0, 0], [1, 0], [1, 1]]\n", 2, "a zone needs 'name'"),
        (ZONE + "    colour: red\n", 4, "a zone has no 'colour'; it has name, polygon and labels"),
        (ZONE + "    label: [person]\n", 4, "did you mean 'labels'?"),
        (ZONE + "    labels: person\n", 4, "'labels' is a list"),
        (ZONE + "    labels: []\n", 4, "leave it out"),
        (ZONE + "    labels: [[person]]\n", 4, "a label is a text"),
        (ZONE + ZONE[7:], 4, "another zone is called 'door' (line 2)"),
        ("zones:\n  - name: ''\n    polygon: []\n", 2, "the name of a zone is a text"),
        ("zones:\n  - name: a\n    polygon: 3\n", 3, "'polygon' is a list of points"),
        ("zones:\n  - name: a\n    polygon: [[0, 0], [1, 1]]\n", 3, "3 to 256 points, not 2"),
        ("zones:\n  - name: a\n    polygon: [[0, 0], [0.5, 0.5], [1, 1]]\n", 3, "lie on one line"),
        ("zones:\n - name: a\n   polygon:\n    - [0, 0]\n    - [0, 1, 2]\n", 5, "two numbers"),
        ("zones:\n - name: a\n   polygon:\n    - [0, 0]\n    - [0, x]\n", 5, "'x' is no number"),
        ("zones:\n - name: a\n   polygon: [[0, 0], [0, .nan], [1, 1]]\n", 3, "'.nan' is no"),
        ("zones:\n  - name: a\n    polygon: [[0, 0], [0, '1'], [1, 1]]\n", 3, "'1' is no number"),
        ("zones:\n  - name: a\n    polygon: [[0, 0], [640, 20], [1, 1]]\n", 3, "divide x by the"),
        ("zones:\n  - name: a\n    polygon: [[0, 0], [-0.1, 0], [1, 1]]\n", 3, "is below 0"),
        ("lines:\n  - {name: a, from: [0, 0]}\n", 2, "a line needs 'to'"),
        ("lines:\n  - {name: a, start: [0, 0]}\n", 2, "a line has no 'start'"),
        ("lines:\n  - {name: a, from: [0, 0], to: [0, 0]}\n", 2, "starts where it ends"),
        ("lines:\n  - {name: a, from: 1, to: [0, 0]}\n", 2, "a point is [x, y]"),
        ("zones: [\n", 2, "is no YAML"),
        ("zones:\n\t- name: a\n", 2, "is no YAML"),
        ("zones: &a []\nlines: *a\n", 1, "aliases and anchors"),
        ("zones: !!python/object/apply:os.system [echo]\n", 1, "tags (words with !)"),
        ("a: 1\n---\nb: 2\n", 2, "is no YAML"),
        ("zones: " + "[" * 50 + "]" * 50, 1, "nested too deeply"),
        ("zones: \x00", None, "is no YAML"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_file_line_and_remedy(
    text: str, line: int | None, says: str
) -> None:
    with pytest.raises(BadInput) as caught:
        parse_scene(text, "shop.yaml")

    message = str(caught.value)
    assert says in message
    assert message.startswith("shop.yaml:" if line is None else f"shop.yaml, line {line}: ")
    assert "\n" not in message


def test_a_file_of_more_than_a_million_characters_is_refused_at_once() -> None:
    before_s = time.perf_counter()

    with pytest.raises(BadInput, match="at most 1,000,000"):
        parse_scene("zones: [" + "[1, " * 1_000_000, "big.yaml")

    assert time.perf_counter() - before_s < 1


def test_a_crowd_of_zones_is_refused() -> None:
    text = "zones:\n" + "\n".join(
        f"  - {{name: z{at}, polygon: [[0, 0], [1, 0], [1, 1]]}}" for at in range(300)
    )

    with pytest.raises(BadInput, match="there are 300 zones; at most 256"):
        parse_scene(text, "many.yaml")


@settings(deadline=None)
@given(st.text(max_size=60) | st.text("zonesli:-[]{}'\"&*!|>?% \n\t01.,", max_size=60))
def test_any_text_is_a_plan_or_bad_input_in_one_sentence(text: str) -> None:
    try:
        parse_scene(text, "any.yaml")
    except BadInput as error:
        assert re.match(r"any\.yaml(, line \d+)?: ", str(error))  # noqa: PT017
