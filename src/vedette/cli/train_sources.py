"""What `vedette train --from` names: folders of pictures, clips, cameras."""

from __future__ import annotations

import json
from collections.abc import Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from vedette.cli.train_told import Told

if TYPE_CHECKING:
    from vedette.settings import Settings

PICTURE_FILES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}


def check_sources(sources: Sequence[str]) -> None:
    """Make sure that what is named is there.

    Raises:
        BadInput: it is not.
    """
    from vedette.domain.errors import BadInput
    from vedette.sources.address import local_path

    for address in _addresses(sources) if not _are_pictures(sources) else []:
        path = local_path(address)
        if path is not None and not path.exists():
            raise BadInput(f"--from {address}: no such file or folder")


def gather_pictures(
    sources: Sequence[str],
    out: Path,
    settings: Settings,
    pictures_max: int,
    every_s: float,
    watch_s: float,
    told: Told,
) -> Path:
    """Give the folder of pictures: the one that was named, or what was gathered."""
    from vedette.domain.errors import BadInput
    from vedette.training.gathering import gather
    from vedette.wiring import make_pacer, make_source

    if _are_pictures(sources):
        return Path(sources[0])
    made = [make_source(address, settings) for address in _addresses(sources)]
    names = [source.name for source in made]
    folder, done = out / "pictures", out / "gathered.json"
    if done.is_file():
        if json.loads(done.read_text())["sources"] != names:
            raise BadInput(
                f"folder {out}: holds pictures of other sources; name another with --out"
            )
        return folder
    found = 0
    fps = Fraction(1) / Fraction(every_s).limit_denominator(1000)
    for source in made:
        count = gather(
            source,
            folder,
            pacer_for=partial(make_pacer, resumed_at=None, fps=fps, settings=settings),
            pictures_max=pictures_max,
            watch_s=watch_s,
            say=lambda number: told.say("gathering", number, pictures_max),
        )
        told.note(f"{source.name}: {count} pictures that differ from each other")
        found += count
    done.write_text(json.dumps({"sources": names, "pictures": found}))
    return folder


def _addresses(sources: Sequence[str]) -> list[str]:
    """Give every clip of a folder by itself."""
    from vedette.domain.errors import BadInput

    found = []
    for one in sources:
        path = Path(one)
        if _is_picture_folder(path):
            raise BadInput(
                f"--from {one}: is a folder of pictures, which cannot be mixed with other "
                f"sources; put all pictures into one folder"
            )
        if not path.is_dir():
            found.append(one)
            continue
        clips = sorted(str(clip) for clip in path.iterdir() if clip.is_file())
        if not clips:
            raise BadInput(f"--from {one}: the folder holds neither clips nor pictures")
        found += clips
    return found


def _are_pictures(sources: Sequence[str]) -> bool:
    return len(sources) == 1 and _is_picture_folder(Path(sources[0]))


def _is_picture_folder(path: Path) -> bool:
    return path.is_dir() and any(one.suffix.lower() in PICTURE_FILES for one in path.iterdir())
