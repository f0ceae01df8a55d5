"""Scene files: the zones and lines a user wrote down in YAML → a plan, or one clear sentence.

The file is read as PyYAML's tree of nodes, not as values, because only nodes know their lines; and
because nothing then has to be built that a hostile file asks for.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Sequence
from typing import TypeVar

import yaml

from vedette.domain.errors import BadInput
from vedette.domain.zone import Line, Point, ScenePlan, Zone

# A scene of a thousand zones is far smaller.
BYTES_MAX = 1_000_000
# zones → zone → polygon → point → number makes 5.
DEPTH_MAX = 8
# PyYAML reads about 50,000 entries a second.
ENTRIES_MAX = 50_000
# A zone costs time in every frame.
PLACES_MAX = 256
NAME_LENGTH_MAX = 100

_NUMBERS = frozenset({"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"})

EXAMPLE = "zones: [{name: door, polygon: [[0.1, 0.2], [0.4, 0.2], [0.4, 0.9]]}]"


Place = TypeVar("Place", Zone, Line)


def parse_scene(text: str, origin: str) -> ScenePlan:
    """Read the text of a scene file.

    Args:
        text: YAML; see docs/reference/scene-file.md.
        origin: The file's name, for messages.

    Raises:
        BadInput: it is not what a scene file may be; the message names file, line and remedy.
    """
    if len(text) > BYTES_MAX:
        raise BadInput(f"{origin}: a scene file has at most {BYTES_MAX:,} characters")
    root = _compose(text, origin)
    reader = _Reader(origin)
    if root is None:
        raise BadInput(f"{origin}: is empty; a scene names zones or lines, such as: {EXAMPLE}")
    keys = reader.mapping(root, "a scene", ("zones", "lines"))
    zones = [reader.zone(node) for node in reader.places(keys.get("zones"), "zones")]
    lines = [reader.line(node) for node in reader.places(keys.get("lines"), "lines")]
    if not zones and not lines:
        raise reader.wrong(root, f"names no zone and no line; such as: {EXAMPLE}")
    return ScenePlan(tuple(zones), tuple(lines))


def _compose(text: str, origin: str) -> yaml.Node | None:
    """Give the root node, or None for an empty file."""
    depth = count = 0
    try:
        # Events come before nodes: depth, number and aliases are known before anything is built.
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            count += 1
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                _refuse(origin, event, "aliases and anchors (& and *) are not read")
            if (getattr(event, "tag", None) or "!") != "!":
                _refuse(origin, event, "tags (words with !) are not read")
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            if depth > DEPTH_MAX:
                _refuse(origin, event, "is nested too deeply for a scene")
            if count > ENTRIES_MAX:
                _refuse(origin, event, "has too many entries for a scene")
        node: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = "" if mark is None else f", line {mark.line + 1}"
        raise BadInput(f"{origin}{line}: is no YAML: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        detail = str(error).splitlines()[0]
        raise BadInput(f"{origin}: is no YAML: {detail}") from error
    return node


def _refuse(origin: str, event: yaml.Event, what: str) -> None:
    line = event.start_mark.line + 1 if event.start_mark else 1
    raise BadInput(f"{origin}, line {line}: {what}")


class _Reader:
    """Turns nodes into places; knows the file's name."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._line_of: dict[tuple[str, str], int] = {}

    def wrong(self, node: yaml.Node, what: str) -> BadInput:
        """Give the error that tells where and what."""
        return BadInput(f"{self._origin}, line {node.start_mark.line + 1}: {what}")

    def mapping(
        self, node: yaml.Node, what: str, known: Sequence[str], *, needed: Sequence[str] = ()
    ) -> dict[str, yaml.Node]:
        """Give the values of a mapping by key; refuse unknown, double and missing keys."""
        if not isinstance(node, yaml.MappingNode):
            raise self.wrong(node, f"{what} is written as `key: value`, with {_list(known)}")
        found: dict[str, yaml.Node] = {}
        for key_node, value in node.value:
            key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else "?"
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                hint = f"; did you mean '{near[0]}'?" if near else f"; it has {_list(known)}"
                raise self.wrong(key_node, f"{what} has no '{key[:NAME_LENGTH_MAX]}'{hint}")
            if key in found:
                raise self.wrong(key_node, f"'{key}' stands here twice")
            found[key] = value
        for key in needed:
            if key not in found:
                raise self.wrong(node, f"{what} needs '{key}'; it has {_list(known)}")
        return found

    def places(self, node: yaml.Node | None, kind: str) -> list[yaml.Node]:
        """Give the entries of `zones` or `lines`; nothing there is none."""
        if node is None or (
            isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"
        ):
            return []
        entries = self._sequence(node, f"'{kind}' is a list, each entry beginning with `- name:`")
        if len(entries) > PLACES_MAX:
            raise self.wrong(node, f"there are {len(entries)} {kind}; at most {PLACES_MAX}")
        return entries

    def zone(self, node: yaml.Node) -> Zone:
        """Read one zone."""
        keys = self.mapping(
            node, "a zone", ("name", "polygon", "labels"), needed=("name", "polygon")
        )
        name = self._name(keys["name"], "zone")
        corners = self._sequence(
            keys["polygon"], f"zone '{name}': 'polygon' is a list of points [x, y]"
        )
        polygon = tuple(self._point(corner, f"zone '{name}'") for corner in corners)
        labels = self._labels(keys)
        return self._made(keys["polygon"], lambda: Zone(name, polygon, labels))

    def line(self, node: yaml.Node) -> Line:
        """Read one line."""
        known = ("name", "from", "to", "labels")
        keys = self.mapping(node, "a line", known, needed=("name", "from", "to"))
        name = self._name(keys["name"], "line")
        start, end = (self._point(keys[key], f"line '{name}'") for key in ("from", "to"))
        labels = self._labels(keys)
        return self._made(keys["from"], lambda: Line(name, start, end, labels))

    def _made(self, node: yaml.Node, make: Callable[[], Place]) -> Place:
        try:
            return make()
        except BadInput as error:
            raise self.wrong(node, str(error)) from error

    def _name(self, node: yaml.Node, kind: str) -> str:
        name = self._word(node, f"the name of a {kind}")
        first = self._line_of.get((kind, name))
        if first is not None:
            raise self.wrong(
                node, f"another {kind} is called '{name}' (line {first}); give each its own name"
            )
        self._line_of[kind, name] = node.start_mark.line + 1
        return name

    def _labels(self, keys: dict[str, yaml.Node]) -> tuple[str, ...]:
        node = keys.get("labels")
        if node is None:
            return ()
        entries = self._sequence(node, "'labels' is a list, such as [person, car]")
        if not entries:
            raise self.wrong(node, "'labels' is empty; leave it out to count every label")
        return tuple(self._word(entry, "a label") for entry in entries)

    def _word(self, node: yaml.Node, what: str) -> str:
        text = node.value.strip() if isinstance(node, yaml.ScalarNode) else ""
        if not text or len(text) > NAME_LENGTH_MAX or not text.isprintable():
            raise self.wrong(
                node, f"{what} is a text of 1 to {NAME_LENGTH_MAX} characters, all printable"
            )
        return text

    def _point(self, node: yaml.Node, owner: str) -> Point:
        parts = self._sequence(node, f"{owner}: a point is [x, y], both from 0 to 1")
        if len(parts) != 2:
            raise self.wrong(node, f"{owner}: a point has two numbers [x, y], not {len(parts)}")
        x, y = (self._number(part, owner) for part in parts)
        if max(x, y) > 1:
            raise self.wrong(
                node,
                f"{owner}: point [{x:g}, {y:g}] is beyond 1; if it is in pixels, divide x by the "
                "picture's width and y by its height",
            )
        if min(x, y) < 0:
            raise self.wrong(node, f"{owner}: point [{x:g}, {y:g}] is below 0; use 0 to 1")
        return x, y

    def _number(self, node: yaml.Node, owner: str) -> float:
        try:
            if not isinstance(node, yaml.ScalarNode) or node.tag not in _NUMBERS:
                raise ValueError
            number = float(node.value)
            if not math.isfinite(number):
                raise ValueError
        except ValueError as error:
            shown = node.value[:40] if isinstance(node, yaml.ScalarNode) else "a list"
            raise self.wrong(node, f"{owner}: '{shown}' is no number from 0 to 1") from error
        return number

    def _sequence(self, node: yaml.Node, otherwise: str) -> list[yaml.Node]:
        if not isinstance(node, yaml.SequenceNode):
            raise self.wrong(node, otherwise)
        entries: list[yaml.Node] = node.value
        return entries


def _list(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]
