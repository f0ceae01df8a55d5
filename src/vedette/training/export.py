"""From trained weights to the ONNX file that Vedette runs.

The file takes float32 (1, 3, H, W), BGR, 0 to 255, H and W any multiples of 32, and gives
(1, 4 + classes, A): centre x, y, width, height in input pixels, then a calibrated score per class
(the YOLOv8 layout, so every tool that reads one reads this). All decoding is in the graph.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from vedette.domain.errors import ModelUnreadable
from vedette.training.network import (
    STRIDES,
    Network,
    Shape,
    folded,
    take_normalised,
    taking_bytes,
)

OPSET = 17
INPUT = "images"
OUTPUT = "boxes"
# Largest difference between the network and its file, in pixels and in score: rounding alone.
DIFFERENCE_MAX = 1e-2
# Under this key the file says how its network is built, so that it can be trained on.
SHAPE_KEY, CALIBRATION_KEY = "vedette.shape", "vedette.calibration"
# And that its first convolution takes bytes; without this it takes them brought around zero.
ENTRY_KEY, TAKES_BYTES = "vedette.entry", "bytes"


class Deployed(nn.Module):
    """The network with its decoding and its calibration."""

    def __init__(self, network: Network, calibration: Sequence[tuple[float, float]]) -> None:
        """Take the folded network.

        Args:
            network: Trained.
            calibration: Per class gain and offset of its logit; (1, 0) leaves it.
        """
        super().__init__()
        self.network = network
        gain, offset = np.array(calibration, np.float32).T
        self.register_buffer("gain", torch.from_numpy(gain.copy())[None, :, None])
        self.register_buffer("offset", torch.from_numpy(offset.copy())[None, :, None])

    def forward(self, pictures: Tensor) -> Tensor:
        classes = self.network.shape.classes
        levels = self.network.levels(self.network.features(pictures))
        # Few steps over all levels at once: each costs some microseconds, however little it does.
        joined = torch.cat([level.flatten(2) for level in levels], 2)
        reach = functional.softplus(joined[:, classes:]) * _strides(levels)
        before, after = reach[:, :2], reach[:, 2:]
        middle = _centres(levels) + (after - before) * 0.5
        scores = torch.sigmoid(joined[:, :classes] * self.gain + self.offset)
        return torch.cat([middle, before + after, scores], 1)


def _strides(levels: Sequence[Tensor]) -> Tensor:
    """Give the stride of each cell, (1, 1, A)."""
    finest = torch.full_like(levels[0][:, :1], STRIDES[0])
    return _each_level(finest, 2.0)


def _centres(levels: Sequence[Tensor]) -> Tensor:
    """Give the centre of each cell in pixels, (1, 2, A): x, y."""
    rows, columns = levels[0].shape[2:]
    x = (torch.arange(columns, dtype=torch.float32) + 0.5) * STRIDES[0]
    y = (torch.arange(rows, dtype=torch.float32) + 0.5) * STRIDES[0]
    finest = torch.stack([x[None, :].expand(rows, columns), y[:, None].expand(rows, columns)])
    return _each_level(finest[None], 1.0)


def _each_level(finest: Tensor, larger: float) -> Tensor:
    """Give (1, C, A) of what the cells of the finest level have, and those made of four of them."""
    levels = [finest]
    for _ in STRIDES[1:]:
        levels.append(functional.avg_pool2d(levels[-1], 2) * larger)
    return torch.cat([one.flatten(2) for one in levels], 2)


def export(network: Network, path: Path, calibration: Sequence[tuple[float, float]]) -> None:
    """Write the ONNX file and prove that it answers as the network does, at two sizes."""
    import onnx

    deployed = Deployed(taking_bytes(network).cpu().float(), calibration).eval()
    draft = path.with_suffix(".draft")
    with warnings.catch_warnings():
        # The tracing exporter is the one whose graphs keep both sides free; it says it is old.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            deployed,
            (torch.zeros(1, 3, 256, 416),),
            str(draft),
            dynamo=False,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={INPUT: {2: "height", 3: "width"}, OUTPUT: {2: "cells"}},
        )
    model = onnx.load(str(draft))
    for key, value in (
        (SHAPE_KEY, asdict(network.shape)),
        (CALIBRATION_KEY, [list(line) for line in calibration]),
        (ENTRY_KEY, TAKES_BYTES),
    ):
        model.metadata_props.add(key=key, value=json.dumps(value))
    onnx.checker.check_model(model)
    onnx.save(model, str(draft))
    _prove(deployed, draft)
    draft.rename(path)


def _prove(deployed: Deployed, path: Path) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for height, width in ((256, 416), (192, 320)):
        noise = np.random.default_rng(0).integers(0, 256, (1, 3, height, width)).astype(np.float32)
        with torch.no_grad():
            expected = deployed(torch.from_numpy(noise)).numpy()
        found = session.run(None, {INPUT: noise})[0]
        worst = float(np.abs(expected - found).max())
        if expected.shape != found.shape or not worst <= DIFFERENCE_MAX:
            raise RuntimeError(f"the exported file differs from the network by {worst:.3g}")


def network_in(path: Path) -> Network:
    """Give the network of a file that `export` wrote, to be trained on.

    Its batch normalisations stay folded: few pictures teach less about them than many did.

    Raises:
        ModelUnreadable: another program wrote the file.
    """
    import onnx
    from onnx import numpy_helper

    try:
        model = onnx.load(str(path))
    except Exception as error:  # What protobuf raises has no common class.
        raise ModelUnreadable(f"model {path}: is no ONNX file that can be read") from error
    told = {one.key: one.value for one in model.metadata_props}
    if SHAPE_KEY not in told:
        raise ModelUnreadable(
            f"model {path}: was not made by `vedette train`, so it cannot be trained on"
        )
    table: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in json.loads(told[SHAPE_KEY]).items()
    }
    network = folded(Network(Shape(**table)))
    weights = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    # Of equal weights the exporter keeps one, and names the others after it.
    for node in model.graph.node:
        if node.op_type == "Identity" and node.input[0] in weights:
            weights[node.output[0]] = weights[node.input[0]]
    network.load_state_dict(
        {
            name.removeprefix("network."): torch.from_numpy(value.copy())
            for name, value in weights.items()
            if name.startswith("network.")
        }
    )
    if ENTRY_KEY in told:
        take_normalised(network)
    return network
