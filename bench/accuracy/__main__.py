"""`make bench-accuracy`: measured on the folder that VEDETTE_DATA names, else left out."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from bench.report import Row, publish

NEEDED = ("annotations/coco.json", "images/coco", "models/yolox_nano.onnx", "videos")


def main() -> None:
    """Measure pictures and clips, or the part that is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "only", nargs="*", choices=["images", "clips", "own", "tiles", []], default=[]
    )
    parser.add_argument("--own", default="vedette-s1", help="name or file of the model of our own")
    chosen = parser.parse_args()
    named = os.environ.get("VEDETTE_DATA")
    missing = [one for one in NEEDED if not (Path(named or ".") / one).exists()]
    if not named or missing:
        why = f"{named} lacks {', '.join(missing)}" if named else "VEDETTE_DATA is not set"
        print(f"accuracy: left out, {why} (docs/reference/benchmarks.md says what it takes)")
        return
    from bench.accuracy.clips import clip_rows
    from bench.accuracy.images import image_rows

    rows = []
    if not chosen.only or "images" in chosen.only:
        rows += image_rows(Path(named))
    if not chosen.only or "clips" in chosen.only:
        rows += clip_rows(Path(named))
    if not chosen.only or "own" in chosen.only:
        rows += _own_rows(Path(named), chosen.own)
    if not chosen.only or "tiles" in chosen.only:
        from bench.accuracy.tiles import tile_rows

        rows += tile_rows(Path(named))
    if rows:
        publish("accuracy", rows)


def _own_rows(data: Path, model: str) -> list[Row]:
    from bench.accuracy.own import own_rows
    from vedette.domain.errors import NotFound

    try:
        return own_rows(data, model)
    except NotFound as error:
        print(f"accuracy of our own model: left out, {error}; name another with --own FILE")
        return []


if __name__ == "__main__":
    main()
