"""Which pictures are learnt from, which judge, and which are left out."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from vedette.domain.errors import BadInput
from vedette.training.likeness import Families, Known
from vedette.training.pictures import OBJECT_FROM, Labelled, read_picture

# One run of so many pictures in each so many runs is held out: neighbours are often one scene.
RUN, RUNS = 25, 20
# A source of fewer pictures gives no run of its own to hold out: such ones are parted together.
SOURCE_LEAST = 8
# Fewer pictures, or fewer objects on those held out, and the figures would be luck.
PICTURES_LEAST, OBJECTS_LEAST = 60, 30
Say = Callable[[str, int, int], object]


def choose_pictures(
    folder: Path,
    labels: Sequence[Labelled],
    *,
    leave_out: Collection[str],
    keep_away: Sequence[Path],
    keep_in: Path,
    say: Say,
) -> tuple[list[Labelled], dict[str, int]]:
    """Leave out sources that are not to be used, likenesses of evaluation pictures, and twins.

    Returns:
        What is left, and by reason how many went. Kept in `keep_in`: a second call finds it.
    """
    key = zlib.crc32(
        json.dumps([sorted(leave_out), [p.name for p in keep_away], [o.file for o in labels]])
        .encode()
    )  # fmt: skip
    kept = keep_in / f"chosen-{key:08x}.json"
    if kept.is_file():
        files, left_out = json.loads(kept.read_text())
        wanted = set(files)
        return [one for one in labels if one.file in wanted], left_out
    known = Known([read_picture(path) for path in keep_away])
    families = Families()
    left_out = {"source left out": 0, "like an evaluation picture": 0, "twin of another": 0}
    chosen = []
    for number, one in enumerate(labels, 1):
        say("comparing", number, len(labels))
        if one.source in leave_out:
            left_out["source left out"] += 1
            continue
        picture = read_picture(folder / one.file)
        if known.has(picture):
            left_out["like an evaluation picture"] += 1
        elif not families.is_new(picture):
            left_out["twin of another"] += 1
        else:
            chosen.append(one)
    draft = kept.with_suffix(".draft")
    draft.write_text(json.dumps([[one.file for one in chosen], left_out]))
    draft.rename(kept)
    return chosen, left_out


def part(chosen: Sequence[Labelled]) -> tuple[list[Labelled], list[Labelled]]:
    """Part what is learnt from and what is held out, in runs: neighbours are often one scene."""
    by_source: dict[str, list[Labelled]] = {}
    for one in chosen:
        by_source.setdefault(one.source, []).append(one)
    large = [by_source[name] for name in sorted(by_source) if len(by_source[name]) >= SOURCE_LEAST]
    small = [
        one
        for name in sorted(by_source)
        if len(by_source[name]) < SOURCE_LEAST
        for one in by_source[name]
    ]
    learn: list[Labelled] = []
    held_out: list[Labelled] = []
    for mine in [*large, small]:
        run = min(RUN, max(1, len(mine) // 4))
        for number, one in enumerate(mine):
            # The second run of every so many, so that a small source gives some too.
            turn = (number // run) % max(2, min(RUNS, len(mine) // run))
            (held_out if turn == 1 else learn).append(one)
    return learn, held_out


def check_enough(folder: Path, chosen: Sequence[Labelled], held_out: Sequence[Labelled]) -> None:
    """Make sure that there is enough to judge a model by.

    Raises:
        BadInput: there is not; tells what there is.
    """
    objects = sum(
        int(((one.boxes[:, 4] > OBJECT_FROM) & (one.boxes[:, 5] < 2)).sum()) for one in held_out
    )
    if len(chosen) >= PICTURES_LEAST and objects >= OBJECTS_LEAST:
        return
    raise BadInput(
        f"pictures {folder}: too few to judge a model by: {len(chosen)} that differ, of "
        f"which {len(held_out)} are held out with {objects} people and vehicles on them; it takes "
        f"{PICTURES_LEAST} pictures and {OBJECTS_LEAST} objects on those held out: gather more, "
        f"from busier hours"
    )
