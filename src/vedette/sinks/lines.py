"""A prediction row as lines of text: JSON Lines and CSV."""

from __future__ import annotations

import csv
import io
import json

from vedette.sinks.rows import Row

FRAME_COLUMNS = (
    "scenario_id", "camera_id", "run", "frame", "pts_s", "captured_at", "width", "height",
)  # fmt: skip
OBJECT_COLUMNS = ("label", "confidence", "x1", "y1", "x2", "y2", "track_id", "zones")


class JsonLines:
    """One JSON object a line, keys in the row's order, no spaces."""

    head = b""

    def encode(self, row: Row) -> bytes:
        """Give a row's line; UTF-8, ends with a line feed."""
        text = json.dumps(row, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode() + b"\n"


class CsvLines:
    """One line an object, per RFC 4180 but for a plain line feed; one with no object if none."""

    head = (",".join((*FRAME_COLUMNS, *OBJECT_COLUMNS)) + "\n").encode()

    def encode(self, row: Row) -> bytes:
        """Give a row's lines; UTF-8, each ends with a line feed."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        frame = [row[column] for column in FRAME_COLUMNS]
        for found in row["objects"]:
            cells = [found[column] for column in OBJECT_COLUMNS[:-1]]
            writer.writerow([*frame, *cells, ";".join(map(_escaped, found["zones"]))])
        if not row["objects"]:
            writer.writerow([*frame, *("" for _ in OBJECT_COLUMNS)])
        return text.getvalue().encode()


def _escaped(zone: str) -> str:
    """Give a zone's name with `;` told apart from the one between names."""
    return zone.replace("\\", "\\\\").replace(";", "\\;")
