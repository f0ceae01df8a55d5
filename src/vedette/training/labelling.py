"""Labels of a folder's pictures: those that were given, or a teacher's, kept line by line.

A teacher's labels are also written as COCO's JSON, so that a labelling tool opens them and a person
can correct them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from vedette.domain.errors import BadInput
from vedette.training.formats import coco_json, read_any_labels
from vedette.training.pictures import (
    PICTURE_FILES,
    Labelled,
    label_line,
    read_labels,
    read_picture,
)
from vedette.training.teacher import Teacher

COCO_FILE = "labels.json"
# A teacher shrinks what it looks at by itself, and labels mean the file's own pixels.
WHOLE = 100_000
Say = Callable[[str, int, int], object]


def given_labels(labels: Path, pictures: Path) -> list[Labelled]:
    """Read labels of any format, and make sure that their pictures are there.

    Raises:
        BadInput: they cannot be read, or name pictures that are not in the folder.
    """
    found = read_any_labels(labels, pictures)
    missing = [one.file for one in found if not (pictures / one.file).is_file()]
    if missing:
        raise BadInput(
            f"labels {labels}: name {len(missing)} of {len(found)} pictures that are not in "
            f"{pictures}, such as {missing[0]}"
        )
    return found


def taught_labels(pictures: Path, teacher: Teacher, *, keep_in: Path, say: Say) -> list[Labelled]:
    """Have all pictures of a folder labelled; those labelled before are not looked at again.

    Raises:
        BadInput: there are no pictures, or one cannot be read.
    """
    files = sorted(one for one in pictures.iterdir() if one.suffix.lower() in PICTURE_FILES)
    if not files:
        raise BadInput(f"pictures {pictures}: no picture files there")
    keep_in.mkdir(parents=True, exist_ok=True)
    kept = keep_in / f"labels-{teacher.name}.jsonl"
    _drop_torn_line(kept)
    done = {one.file for one in read_labels(kept)} if kept.is_file() else set()
    with kept.open("a", encoding="utf-8") as lines:
        for number, path in enumerate(files, 1):
            if path.name not in done:
                lines.write(label_line(teacher.labelled(path, read_picture(path, WHOLE))))
                lines.flush()
            say("labelling", number, len(files))
    there = {path.name for path in files}
    labels = [one for one in read_labels(kept) if one.file in there]
    _write_whole(keep_in / COCO_FILE, coco_json(labels))
    return labels


def _drop_torn_line(path: Path) -> None:
    """Cut off a last line that a kill left half written."""
    if path.is_file():
        whole = path.read_bytes()
        if not whole.endswith(b"\n"):
            path.write_bytes(whole[: whole.rfind(b"\n") + 1])


def _write_whole(path: Path, text: str) -> None:
    draft = path.with_suffix(".draft")
    draft.write_text(text, encoding="utf-8")
    draft.rename(path)


def counted(labels: Sequence[Labelled], sure_from: float) -> tuple[int, int, int]:
    """Give pictures, and people and vehicles on them whose label is at least so sure."""
    people = vehicles = 0
    for one in labels:
        sure = one.boxes[one.boxes[:, 4] > sure_from]
        people += int((sure[:, 5] == 0).sum())
        vehicles += int((sure[:, 5] == 1).sum())
    return len(labels), people, vehicles
