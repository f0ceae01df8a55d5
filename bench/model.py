"""The model that speed is measured with: YOLOX-nano."""

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
    """Give the same model as Vedette really runs it: sizes open, Focus fused."""
    from vedette.detectors.cache import faster_graph
    from vedette.settings import load_settings
    from vedette.wiring import model_shelf

    settings = load_settings()
    path, card = model_shelf(settings).resolve(str(model))
    prepared = faster_graph(
        path, card, cache_dir=settings.cache_dir, bytes_max=settings.model_bytes_max
    )
    if prepared is None:
        raise SystemExit(f"{model} was not rewritten; the bound would be that of another graph")
    return prepared
