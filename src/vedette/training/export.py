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
from vedette.training.network import STRIDES, Network, Shape, folded

OPSET = 17
INPUT = "images"
OUTPUT = "boxes"
# Largest difference between the network and its file, in pixels and in score: rounding alone.
DIFFERENCE_MAX = 1e-2
# Under this key the file says how its network is built, so that it can be trained on.
SHAPE_KEY, CALIBRATION_KEY = "vedette.shape", "vedette.calibration"


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
        parts = []
        for seen, stride in zip(
            self.network.levels(self.network.features(pictures)), STRIDES, strict=True
        ):
            rows, columns = seen.shape[2], seen.shape[3]
            x = (torch.arange(columns, dtype=torch.float32) + 0.5) * stride
            y = (torch.arange(rows, dtype=torch.float32) + 0.5) * stride
            centres = torch.stack(
                [x[None, :].expand(rows, columns), y[:, None].expand(rows, columns)]
            )
            reach = functional.softplus(seen[:, classes:]) * stride
            before, after = reach[:, :2], reach[:, 2:]
            middle = centres[None] + (after - before) * 0.5
            boxes = torch.cat([middle, before + after], 1)
            parts.append(torch.cat([boxes, seen[:, :classes]], 1).flatten(2))
        joined = torch.cat(parts, 2)
        scores = torch.sigmoid(joined[:, 4:] * self.gain + self.offset)
        return torch.cat([joined[:, :4], scores], 1)


def export(network: Network, path: Path, calibration: Sequence[tuple[float, float]]) -> None:
    """Write the ONNX file and prove that it answers as the network does, at two sizes."""
    import onnx

    deployed = Deployed(folded(network).cpu().float(), calibration).eval()
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
    return network
