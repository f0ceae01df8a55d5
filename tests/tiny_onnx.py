"""Small ONNX detectors, built here, so that the whole ONNX road is tested with no weights at hand.

`build_person_detector` makes a real detector: convolutions find what is reddish (people) or bluish
(vehicles), measure its centre and extent by moments, and give them as a YOLOX head would.
`people_picture` paints such a scene with known truth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

LABELS = ("person", "vehicle")
STRIDES = (8, 16, 32)
# An end of a slice that means "to the end", as exporters write it.
TO_THE_END = 2**63 - 1
# Cells that a cell looks at to each side and up and down: people are tall, vehicles broad. They see
# a whole object of their grid and, mostly, nothing of its neighbours.
REACH = {"person": (2, 3), "vehicle": (3, 2)}
# The longer side, in cells, of what belongs to a grid: the grids take turns by size.
EXTENT_CELLS = (2.7, 5.6)
# What a shadow leaves of the light, at least; what is darker is a thing.
SHADOW_SHARE = 0.6
HUE_WEIGHT = 2.0
# Mean difference of a pixel that is more than noise.
DIFFERENCE_MIN = 24.0
PERSON_COLOUR = (40, 90, 220)
VEHICLE_COLOUR = (200, 90, 30)

Picture = npt.NDArray[np.uint8]
Box = tuple[int, int, int, int]


@dataclass
class GraphBuilder:
    """Collects nodes and constants."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    weights: list[onnx.TensorProto] = field(default_factory=list)

    def constant(self, value: npt.ArrayLike, dtype: type = np.float32) -> str:
        name = f"c{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.array(value, dtype), name))
        return name

    def add(self, kind: str, *inputs: str, to: str | None = None, **attributes: object) -> str:
        output = to or f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def save(
        self,
        path: Path,
        *,
        inputs: Mapping[str, list[int | str]],
        outputs: Mapping[str, list[int | str]],
        metadata: Mapping[str, str] | None = None,
        opset: int = 11,
    ) -> Path:
        graph = helper.make_graph(
            self.nodes,
            "tiny",
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs.items()],
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in outputs.items()],
            self.weights,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
        model.ir_version = 8
        helper.set_model_props(model, dict(metadata or {}))
        onnx.checker.check_model(model)
        path.write_bytes(model.SerializeToString())
        return path


def build_person_detector(
    path: Path, *, size: tuple[int, int] = (416, 416), ground: Picture | None = None
) -> Path:
    """Write a YOLOX-shaped detector of coloured things: fixed input [1, 3, H, W], BGR 0..255.

    With `ground`, a picture of the empty place as the camera sees it, it finds what differs from
    that picture instead: upright people and broad vehicles of the built-in street. Such a graph
    holds its place's size and so cannot be rewritten; give a `size` of the place's shape, such as
    (256, 416) for 16:9.

    Its graph is laid out as the published YOLOX export is: Focus by eight slices, a concatenation
    and a 3 x 3 convolution; three grids; Reshape with fixed shapes; one Transpose. So rewriting it
    is tested too.
    """
    height, width = size
    build = GraphBuilder()
    if ground is None:
        colour = _colourfulness(build)
        masks = [_channel(build, colour, number, of=2) for number in range(len(LABELS))]
    else:
        masks = [_difference(build, ground, size)] * len(LABELS)
    heads = []
    for stride in STRIDES:
        head = _head(build, masks, stride, by_shape=ground is not None)
        heads.append(build.add("Reshape", head, build.constant([1, 7, -1], np.int64)))
    joined = build.add("Concat", *heads, axis=2)
    build.add("Transpose", joined, perm=[0, 2, 1], to="output")
    cells = sum((height // stride) * (width // stride) for stride in STRIDES)
    return build.save(
        path,
        inputs={"images": [1, 3, height, width]},
        outputs={"output": [1, cells, 5 + len(LABELS)]},
        metadata={"names": str(dict(enumerate(LABELS)))},
    )


def _colourfulness(build: GraphBuilder) -> str:
    """Give (1, 2, H / 2, W / 2): how reddish and how bluish, 0 on grey, 1 where it is strong."""
    step = build.constant([2], np.int64)
    end = build.constant([TO_THE_END], np.int64)
    axes = {2: build.constant([2], np.int64), 3: build.constant([3], np.int64)}
    start = {0: build.constant([0], np.int64), 1: build.constant([1], np.int64)}
    parts = []
    for row, column in ((0, 0), (1, 0), (0, 1), (1, 1)):
        rows = build.add("Slice", "images", start[row], end, axes[2], step)
        parts.append(build.add("Slice", rows, start[column], end, axes[3], step))
    focus = build.add("Concat", *parts, axis=1)
    # Red over blue for people, blue over red for vehicles, averaged over the four pixels.
    planes = np.array([[-1, 0, 1], [1, 0, -1]], np.float32)
    weight = np.zeros((2, 12, 3, 3), np.float32)
    middle = np.tile(planes, 4) / 4
    weight[:, :, 1, 1] = 0.6 * middle
    # A light blur, so that the edges of the kernel take part as well.
    for row, column in ((0, 1), (2, 1), (1, 0), (1, 2)):
        weight[:, :, row, column] = 0.1 * middle
    different = build.add(
        "Conv", focus, build.constant(weight), build.constant([-30.0, -30.0]),
        kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[1, 1], dilations=[1, 1], group=1,
    )  # fmt: skip
    strength = build.add("Mul", different, build.constant(1 / 60))
    return build.add("Clip", strength, build.constant(0.0), build.constant(1.0))


def _difference(build: GraphBuilder, ground: Picture, size: tuple[int, int]) -> str:
    """Give (1, 1, H / 2, W / 2): 0 where the picture is the empty place, 1 where it is not."""
    height, width = size
    scale = min(height / ground.shape[0], width / ground.shape[1])
    inner = (round(ground.shape[1] * scale), round(ground.shape[0] * scale))
    canvas = np.full((height, width, 3), 114, np.float32)
    canvas[: inner[1], : inner[0]] = cv2.resize(ground, inner, interpolation=cv2.INTER_AREA)
    empty = canvas.transpose(2, 0, 1)[None]
    # A shadow darkens all colours alike. So: another hue, or brighter, or darker than a shadow.
    length = np.sqrt((empty**2).sum(axis=1, keepdims=True)) + 1
    turn = np.roll(np.eye(3, dtype=np.float32), 1, axis=1)
    turned = build.add("Conv", "images", build.constant(turn[:, :, None, None]))
    one = build.add("Mul", "images", build.constant(np.roll(empty, -1, axis=1) / length))
    other = build.add("Mul", turned, build.constant(empty / length))
    hue = build.add("Abs", build.add("Sub", one, other))
    brighter = build.add("Relu", build.add("Sub", "images", build.constant(empty)))
    darker = build.add("Relu", build.add("Sub", build.constant(SHADOW_SHARE * empty), "images"))
    parts = build.add("Concat", hue, brighter, darker, axis=1)
    # Averaged over four pixels and three colours.
    weight = np.repeat([HUE_WEIGHT, 1.0, 1.0], 3)[None, :, None, None].repeat(2, 2).repeat(2, 3)
    level = build.add(
        "Conv", parts, build.constant(weight / 12), strides=[2, 2], kernel_shape=[2, 2]
    )
    above = build.add("Sub", level, build.constant(DIFFERENCE_MIN))
    strength = build.add("Mul", above, build.constant(1 / 12))
    return build.add("Clip", strength, build.constant(0.0), build.constant(1.0))


def _head(build: GraphBuilder, masks: list[str], stride: int, *, by_shape: bool) -> str:
    """Give (1, 7, h, w): x, y offset in cells, log width, log height, objectness, two classes."""
    found = [
        _found(build, mask, stride, label, by_shape=by_shape)
        for mask, label in zip(masks, LABELS, strict=True)
    ]
    person, vehicle = found[0][4], found[1][4]
    lead = build.add("Sub", person, vehicle)
    is_person = _above(build, lead, 0.0, 40.0)
    is_vehicle = _below(build, lead, 0.0, 40.0)
    mixed = [
        build.add("Add", build.add("Mul", one, is_person), build.add("Mul", other, is_vehicle))
        for one, other in zip(found[0][:4], found[1][:4], strict=True)
    ]
    return build.add(
        "Concat", *mixed, build.add("Max", person, vehicle), is_person, is_vehicle, axis=1
    )


def _found(build: GraphBuilder, mask: str, stride: int, label: str, *, by_shape: bool) -> list[str]:
    """Give x, y offset, log width, log height and objectness of one class, each (1, 1, h, w)."""
    reach = REACH[label]
    # Moments of the colour within each cell, in cells about its middle; then over all cells near.
    pixels = stride // 2
    at = (np.arange(pixels, dtype=np.float32) + 0.5) / pixels - 0.5
    one = np.ones((pixels, pixels), np.float32)
    across, down = one * at[None, :], one * at[:, None]
    kernels = np.stack([one, across, down, across**2, down**2])[:, None] / pixels**2
    cell = build.add(
        "Conv", mask, build.constant(kernels), strides=[pixels, pixels],
        kernel_shape=[pixels, pixels],
    )  # fmt: skip
    columns, rows = (np.arange(-far, far + 1, dtype=np.float32) for far in reach)
    ones = np.ones((len(rows), len(columns)), np.float32)
    x, y = ones * columns[None, :], ones * rows[:, None]
    near = np.zeros((5, 5, *ones.shape), np.float32)
    for moment in range(5):
        near[moment, moment] = ones
    near[1, 0], near[2, 0] = x, y
    near[3, 1], near[3, 0] = 2 * x, x**2
    near[4, 2], near[4, 0] = 2 * y, y**2
    pads = [reach[1], reach[0], reach[1], reach[0]]
    total = build.add("Conv", cell, build.constant(near), pads=pads)
    take = [_channel(build, total, number, of=5) for number in range(5)]
    mass = build.add("Add", take[0], build.constant(1e-3))
    mean_x, mean_y = (build.add("Div", one, mass) for one in take[1:3])
    width = _extent(build, take[3], mass, mean_x)
    height = _extent(build, take[4], mass, mean_y)
    longer = build.add("Max", width, height)
    signs = [
        _above(build, longer, EXTENT_CELLS[0], 10.0),
        _below(build, longer, EXTENT_CELLS[1], 10.0),
        _below(build, build.add("Abs", mean_x), 0.7, 10.0),
        _below(build, build.add("Abs", mean_y), 0.7, 10.0),
        _filled(build, mass, width, height, at_least=0.3 if by_shape else 0.55),
    ]
    if by_shape:
        upright = build.add("Sub", height, width)
        signs.append((_above if label == "person" else _below)(build, upright, 0.3, 10.0))
    objectness = signs[0]
    for sign in signs[1:]:
        objectness = build.add("Mul", objectness, sign)
    # The head's offsets are from the cell's corner, the moments' from its middle.
    half = build.constant(0.5)
    return [
        build.add("Add", mean_x, half),
        build.add("Add", mean_y, half),
        build.add("Log", width),
        build.add("Log", height),
        objectness,
    ]


def _channel(build: GraphBuilder, stacked: str, number: int, *, of: int) -> str:
    pick = np.zeros((1, of, 1, 1), np.float32)
    pick[0, number] = 1
    return build.add("Conv", stacked, build.constant(pick))


def _extent(build: GraphBuilder, square: str, mass: str, mean: str) -> str:
    """Give the length, in cells, of an even bar with this spread: sqrt(12 variance)."""
    spread = build.add("Sub", build.add("Div", square, mass), build.add("Mul", mean, mean))
    safe = build.add("Clip", spread, build.constant(0.01), build.constant(100.0))
    return build.add("Sqrt", build.add("Mul", safe, build.constant(12.0)))


def _filled(build: GraphBuilder, mass: str, width: str, height: str, *, at_least: float) -> str:
    area = build.add("Mul", width, height)
    return _above(build, build.add("Div", mass, area), at_least, 20.0)


def _above(build: GraphBuilder, value: str, limit: float, steep: float) -> str:
    more = build.add("Sub", value, build.constant(limit))
    return build.add("Sigmoid", build.add("Mul", more, build.constant(steep)))


def _below(build: GraphBuilder, value: str, limit: float, steep: float) -> str:
    return _above(build, value, limit, -steep)


def people_picture(
    boxes: Mapping[Box, str], *, size: tuple[int, int] = (360, 640), seed: int = 0
) -> Picture:
    """Paint coloured people and vehicles, each filling its box, on a grey street with noise.

    Args:
        boxes: x1, y1, x2, y2 in pixels, and `person` or `vehicle`.
        size: Height and width.
        seed: Of the noise.

    Returns:
        uint8 (height, width, 3), BGR.
    """
    height, width = size
    ground = np.linspace(150, 90, height)[:, None].repeat(width, axis=1)
    noise = np.random.default_rng(seed).normal(0, 3, (height, width))
    picture = np.clip(ground + noise, 0, 255).astype(np.uint8)[:, :, None].repeat(3, axis=2)
    for (x1, y1, x2, y2), label in boxes.items():
        colour = PERSON_COLOUR if label == "person" else VEHICLE_COLOUR
        cv2.rectangle(picture, (x1, y1), (x2 - 1, y2 - 1), colour, cv2.FILLED)
    return picture


def build_constant_head(
    path: Path,
    answer: npt.NDArray[np.float32],
    *,
    size: tuple[int, int] = (64, 64),
    metadata: Mapping[str, str] | None = None,
) -> Path:
    """Write a model that gives `answer` whatever it sees (NaN, wrong shapes, hand-made boxes)."""
    return build_constant_heads(path, {"output": answer}, size=size, metadata=metadata)


def build_constant_heads(
    path: Path,
    answers: Mapping[str, npt.NDArray[np.float32]],
    *,
    size: tuple[int, int] = (64, 64),
    metadata: Mapping[str, str] | None = None,
) -> Path:
    """Write a model of several constant outputs."""
    build = GraphBuilder()
    # The picture takes part with factor nought: ONNX Runtime would drop an input nobody reads.
    dark = build.add("Mul", "images", build.constant(0.0))
    nought = build.add("ReduceSum", dark, axes=[0, 1, 2, 3], keepdims=0)
    for name, answer in answers.items():
        build.add("Add", build.constant(answer), nought, to=name)
    return build.save(
        path,
        inputs={"images": [1, 3, *size]},
        outputs={name: list(answer.shape) for name, answer in answers.items()},
        metadata=metadata,
    )


def build_other_inputs(path: Path) -> Path:
    """Write a model that takes two tables of numbers, no picture."""
    build = GraphBuilder()
    build.add("MatMul", "left", "right", to="product")
    return build.save(
        path,
        inputs={"left": [4, 4], "right": [4, 4]},
        outputs={"product": [4, 4]},
    )


def build_huge_input(path: Path) -> Path:
    """Write a model whose picture is absurdly big."""
    build = GraphBuilder()
    build.add("GlobalAveragePool", "images", to="output")
    return build.save(
        path,
        inputs={"images": [1, 3, 100_000, 100_000]},
        outputs={"output": [1, 3, 1, 1]},
    )


def write_no_onnx(path: Path) -> Path:
    """Write a text file under a model's name."""
    path.write_text("This is a letter, not a model.\n" * 20, encoding="utf-8")
    return path
