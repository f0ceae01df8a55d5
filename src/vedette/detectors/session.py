"""Opening a model file in ONNX Runtime, and what its graph says of itself."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vedette.domain.errors import BadInput, ModelUnreadable

# ONNX Runtime's own log lines would stand between ours; what matters comes back as an exception.
LOG_FATAL = 4


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or output: its name, its shape (None where open) and ONNX Runtime's type word."""

    name: str
    shape: tuple[int | None, ...]
    kind: str

    def __str__(self) -> str:
        sides = ", ".join("?" if side is None else str(side) for side in self.shape)
        return f"{self.name} [{sides}] {self.kind.removeprefix('tensor(').removesuffix(')')}"


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What a model file says of itself."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    metadata: dict[str, str] = field(default_factory=dict)


class Session:
    """A loaded model. `run` may be called from many threads at once.

    One thread inside ONNX Runtime and as many callers as there are cores: splitting work by frame
    is a quarter faster than splitting each frame, and threads that spin while they wait halve the
    speed of everything else on the machine.
    """

    def __init__(self, path: Path, *, bytes_max: int, optimise: bool = True) -> None:
        """Load.

        Raises:
            BadInput: no such file, or it cannot be read.
            ModelUnreadable: it is no ONNX model, or one this machine cannot run.
        """
        check_file(path, bytes_max=bytes_max)
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.inter_op.allow_spinning", "0")
        options.log_severity_level = LOG_FATAL
        if not optimise:
            options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        try:
            self._session = ort.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        # ONNX Runtime raises a dozen classes of its own, all straight below Exception.
        except Exception as error:
            raise ModelUnreadable(
                f"model {path}: is not an ONNX model this machine can run: {_first_line(error)}"
            ) from error
        self.facts = ModelFacts(
            tuple(_tensor(one) for one in self._session.get_inputs()),
            tuple(_tensor(one) for one in self._session.get_outputs()),
            dict(self._session.get_modelmeta().custom_metadata_map),
        )

    def run(self, inputs: dict[str, npt.NDArray[np.float32]]) -> list[npt.NDArray[np.float32]]:
        """Give every output of one input; blocks while it computes, without holding the GIL.

        Raises:
            ModelUnreadable: the graph refuses the input.
        """
        try:
            outputs: list[npt.NDArray[np.float32]] = self._session.run(None, inputs)
        except Exception as error:
            raise ModelUnreadable(f"the model refuses its input: {_first_line(error)}") from error
        return outputs


def check_file(path: Path, *, bytes_max: int) -> None:
    """Make sure that a model file can be read and is no giant.

    Raises:
        BadInput: it cannot be used; says why.
    """
    if not path.exists():
        raise BadInput(f"model {path}: no such file")
    if not path.is_file():
        raise BadInput(f"model {path}: is not a file")
    if not os.access(path, os.R_OK):
        raise BadInput(f"model {path}: may not be read; check its permissions")
    size = path.stat().st_size
    if size == 0:
        raise ModelUnreadable(f"model {path}: is empty, so it is no ONNX model")
    if size > bytes_max:
        raise BadInput(
            f"model {path}: has {size} bytes, more than VEDETTE_MODEL_BYTES_MAX={bytes_max} allows"
        )


def _tensor(value: Any) -> Tensor:
    sides = tuple(side if isinstance(side, int) and side > 0 else None for side in value.shape)
    return Tensor(value.name, sides, value.type)


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return text[0][:300] if text else type(error).__name__
