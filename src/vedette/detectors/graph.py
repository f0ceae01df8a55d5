"""Rewriting a YOLOX graph: any batch and size in, and its first layer made one convolution.

The published file takes 1 x 3 x 416 x 416 alone, so a 16:9 picture would carry two fifths of grey
through the network; and it begins with eight strided slices, a concatenation and a 3 x 3
convolution ("Focus") that are together one 6 x 6 convolution of stride 2. Both rewritings are
exact but for rounding. Only graphs made of operations known to work cell by cell are touched, and
each rewritten graph is compared with its original before use: `rewrite` gives None rather than a
graph that could lose anything.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vedette.detectors.card import Family, ModelCard
from vedette.detectors.session import Session
from vedette.detectors.yolo import cell_count
from vedette.domain.errors import ModelUnreadable

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

# Grows when this file gives other graphs, so that graphs kept from before are made anew.
REWRITING_VERSION = 1
# Largest difference of any output between original and rewritten graph. Rounding alone gives
# 2e-5 for YOLOX-nano; an offset of 1e-3 cells is a hundredth of a pixel.
DIFFERENCE_MAX = 1e-3
# An end of a slice that means "to the end" in every exporter.
TO_THE_END = 2**31 - 1

# Each output cell depends on input cells around it alone, whatever the picture's size.
_LOCAL = frozenset(
    {
        "Abs", "Add", "AveragePool", "BatchNormalization", "Cast", "Clip", "Concat", "Constant",
        "Conv", "Div", "Exp", "HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "Log", "Max",
        "MaxPool", "Min", "Mul", "Neg", "Relu", "Sigmoid", "Softplus", "Sqrt", "Sub", "Tanh",
    }
)  # fmt: skip


class _NotRewritable(Exception):
    """The graph has something this file does not know to be safe."""


def rewrite(
    path: Path,
    card: ModelCard,
    *,
    to: Path,
    bytes_max: int,
    difference_max: float = DIFFERENCE_MAX,
) -> str | None:
    """Write the rewritten graph of the model at `path` to the file `to`.

    Returns:
        None when `to` is written and proven equal; else one sentence why it was not.

    Raises:
        ModelUnreadable: the model itself cannot be run.
    """
    if card.family is not Family.YOLOX:
        return f"graphs of family {card.family} are used as they are"
    import onnx

    original = Session(path, bytes_max=bytes_max)

    try:
        model = onnx.load(str(path))
        _drop_weights_from_inputs(model.graph)
        _open_sizes(model, card)
        _fuse_focus(model.graph)
        onnx.checker.check_model(model)
        onnx.save(model, str(to))
        _prove(original, Session(to, bytes_max=2 * bytes_max), card, difference_max)
    except _NotRewritable as reason:
        return str(reason)
    except ModelUnreadable as error:
        return f"the rewritten graph does not run: {error}"
    # The onnx library raises many classes on odd graphs; the original is used then.
    except (onnx.checker.ValidationError, ValueError, TypeError, KeyError, IndexError) as error:
        return f"the graph could not be rewritten: {error}"
    return None


def _drop_weights_from_inputs(graph: GraphProto) -> None:
    """Leave the picture as the only input; old exporters list the weights there too."""
    weights = {one.name for one in graph.initializer}
    _fill(graph.input, [one for one in graph.input if one.name not in weights])


def _open_sizes(model: ModelProto, card: ModelCard) -> None:
    """Let batch, height and width be any (height and width multiples of the largest stride)."""
    graph = model.graph
    constants = _constants(graph)
    for node in graph.node:
        _check_node(node, constants, card)
    for node in graph.node:
        if node.op_type == "Reshape":
            shape = constants[node.input[1]]
            # 0 keeps the batch as it comes, where the exporter wrote 1.
            _replace_constant(graph, node, 1, np.array([0, *shape[1:]], np.int64))
    picture, answer = graph.input[0], graph.output[0]
    for value, names in ((picture, ("n", None, "h", "w")), (answer, ("n", "cells", None))):
        sides = value.type.tensor_type.shape.dim
        for side, word in zip(sides, names, strict=True):
            if word:
                side.Clear()
                side.dim_param = word
    del graph.value_info[:]  # Sizes of what lies between, now wrong.


def _check_node(node: NodeProto, constants: dict[str, npt.NDArray[Any]], card: ModelCard) -> None:
    kind = node.op_type
    if kind in _LOCAL:
        if kind == "Concat" and _attribute(node, "axis") not in (1, 2):
            raise _NotRewritable("a Concat over rows or columns")
        return
    if kind == "Transpose" and list(_attribute(node, "perm")) == [0, 2, 1]:
        return
    if kind == "Slice":
        axes = constants.get(node.input[3]) if len(node.input) > 3 else None
        ends = constants.get(node.input[2])
        if axes is not None and ends is not None:
            spatial = ends[np.isin(axes, (2, 3))]
            if np.isin(axes, (1, 2, 3)).all() and (spatial >= TO_THE_END).all():
                return
    if kind == "Resize" and len(node.input) == 3 and node.input[2] in constants:
        return  # By scales, not by sizes.
    if kind == "Reshape":
        shape = constants.get(node.input[1])
        if (
            shape is not None
            and len(shape) == 3
            and shape[0] in (0, 1)
            and shape[1] == 5 + len(card.labels)
            and shape[2] == -1
        ):
            return
    raise _NotRewritable(f"the graph holds a {kind} that may depend on the picture's size")


def _fuse_focus(graph: GraphProto) -> None:
    """Make slices, concatenation and 3 x 3 convolution one 6 x 6 convolution of stride 2."""
    constants = _constants(graph)
    producers = {name: node for node in graph.node for name in node.output}
    for conv in graph.node:
        concat = producers.get(conv.input[0]) if conv.op_type == "Conv" else None
        if concat is None or concat.op_type != "Concat" or not _is_plain_3x3(conv):
            continue
        offsets = [_slice_offset(name, producers, constants, graph) for name in concat.input]
        if len(offsets) != 4 or len({*offsets} - {None}) != 4 or _uses(graph, concat) != 1:
            continue
        weight = constants.get(conv.input[1])
        if weight is None:
            continue
        fused = np.zeros((len(weight), 3, 6, 6), weight.dtype)
        for part, offset in enumerate(offsets):
            assert offset is not None
            fused[:, :, offset[0] :: 2, offset[1] :: 2] = weight[:, 3 * part : 3 * part + 3]
        _replace_constant(graph, conv, 1, fused)
        conv.input[0] = graph.input[0].name
        for attribute in conv.attribute:
            if attribute.name in _FUSED_ATTRIBUTES:
                attribute.ints[:] = _FUSED_ATTRIBUTES[attribute.name]
        _drop_unused(graph)
        return


_FUSED_ATTRIBUTES = {"kernel_shape": [6, 6], "strides": [2, 2], "pads": [2, 2, 2, 2]}


def _is_plain_3x3(conv: NodeProto) -> bool:
    return (
        list(_attribute(conv, "kernel_shape") or ()) == [3, 3]
        and list(_attribute(conv, "strides") or ()) == [1, 1]
        and list(_attribute(conv, "pads") or ()) == [1, 1, 1, 1]
        and list(_attribute(conv, "dilations") or (1, 1)) == [1, 1]
        and (_attribute(conv, "group") or 1) == 1
    )


def _slice_offset(
    name: str,
    producers: dict[str, NodeProto],
    constants: dict[str, npt.NDArray[Any]],
    graph: GraphProto,
) -> tuple[int, int] | None:
    """Give the (row, column) from which every second pixel of the input is taken, or None."""
    offset: dict[int, int] = {}
    while name != graph.input[0].name:
        node = producers.get(name)
        if node is None or node.op_type != "Slice" or len(node.input) != 5:
            return None
        starts, _, axes, steps = (constants.get(one) for one in node.input[1:])
        if starts is None or axes is None or steps is None:
            return None
        for start, axis, step in zip(starts, axes, steps, strict=True):
            if axis not in (2, 3) or step != 2 or start not in (0, 1) or int(axis) in offset:
                return None
            offset[int(axis)] = int(start)
        name = node.input[0]
    return (offset[2], offset[3]) if len(offset) == 2 else None


def _prove(before: Session, after: Session, card: ModelCard, difference_max: float) -> None:
    """Compare both graphs on a picture of noise and patches, and try the new one at a new size."""
    picture = _test_picture(card.height, card.width)
    expected, found = before.run({card.input: picture}), after.run({card.input: picture})
    if [one.shape for one in expected] != [one.shape for one in found]:
        raise _NotRewritable("the rewritten graph gives another shape")
    for one, other in zip(expected, found, strict=True):
        difference = np.abs(one - other).max()
        if not difference <= difference_max:
            raise _NotRewritable(f"the rewritten graph differs by {difference:.2g}")
    stride = card.strides[-1]
    smaller = (max(stride, card.height - stride), max(stride, card.width - 2 * stride))
    shape = after.run({card.input: _test_picture(*smaller)})[0].shape
    if shape != (1, cell_count(smaller, card.strides), 5 + len(card.labels)):
        raise _NotRewritable(f"the rewritten graph gives {shape} for a picture of {smaller}")


def _test_picture(height: int, width: int) -> npt.NDArray[np.float32]:
    noise = np.random.default_rng(0).integers(0, 256, (1, 3, height, width))
    patches = np.random.default_rng(1).integers(0, 256, (1, 3, -(-height // 32), -(-width // 32)))
    broad = patches.repeat(32, axis=2).repeat(32, axis=3)[:, :, :height, :width]
    return ((noise + 3 * broad) / 4).astype(np.float32)


def _constants(graph: GraphProto) -> dict[str, npt.NDArray[Any]]:
    from onnx import numpy_helper

    found = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            value = _attribute(node, "value")
            if value is not None:
                found[node.output[0]] = numpy_helper.to_array(value)
    return found


def _replace_constant(
    graph: GraphProto, node: NodeProto, place: int, value: npt.NDArray[Any]
) -> None:
    """Give one input of one node a constant of its own; others may share the old one."""
    from onnx import numpy_helper

    name = f"vedette_{node.output[0]}_{place}"
    graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
    node.input[place] = name


def _drop_unused(graph: GraphProto) -> None:
    wanted = {one.name for one in graph.output}
    kept = []
    for node in reversed(graph.node):
        if any(name in wanted for name in node.output):
            kept.append(node)
            wanted.update(node.input)
    kept.reverse()
    weights = [one for one in graph.initializer if one.name in wanted]
    _fill(graph.node, kept)
    _fill(graph.initializer, weights)
    _fill(graph.input, [one for one in graph.input if one.name in wanted])


def _fill(field: Any, values: list[Any]) -> None:
    copies = [type(one).FromString(one.SerializeToString()) for one in values]
    del field[:]
    field.extend(copies)


def _uses(graph: GraphProto, node: NodeProto) -> int:
    return sum(name in node.output for other in graph.node for name in other.input)


def _attribute(node: NodeProto, name: str) -> Any:
    from onnx import helper

    for attribute in node.attribute:
        if attribute.name == name:
            return helper.get_attribute_value(attribute)
    return None
