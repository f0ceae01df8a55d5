"""The model that speed is measured with: YOLOX-nano, or a net of the same cost made here."""

from __future__ import annotations

import os
from pathlib import Path


def bench_model() -> Path:
    """Give YOLOX-nano from the folder that VEDETTE_DATA names."""
    data = os.environ.get("VEDETTE_DATA")
    if data and (Path(data) / "models" / "yolox_nano.onnx").is_file():
        return Path(data) / "models" / "yolox_nano.onnx"
    raise SystemExit("speed is measured with YOLOX-nano: set VEDETTE_DATA to a folder that has it")


def prepared_model(model: Path) -> Path:
    """Give the same model as Vedette really runs it: rectangular, Focus fused."""
    raise NotImplementedError
