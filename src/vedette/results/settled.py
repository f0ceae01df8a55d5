"""Settled parts: prediction rows in one Parquet file, written whole, read where touched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from vedette.blobs.base import Blobs
from vedette.results.fresh import OBJECT_KEYS, ROW_KEYS, objects_from, rows_from

# All settled parts lie below, as `<prefix><scenario>/<run>/<first>-<last>-<nonce>.parquet`.
PREFIX = "predictions/"
# A page of rows reads one such group: a minute of a camera looked at 15 times a second.
GROUP_ROWS_MAX = 1000
# Rows that are turned into Python objects at once.
BATCH_ROWS = 500


@dataclass(frozen=True, slots=True)
class Span:
    """Which rows are asked for; all bounds inclusive but `after_frame`; None bounds nothing."""

    after_frame: int | None = None
    from_frame: int | None = None
    to_frame: int | None = None
    from_s: float | None = None
    to_s: float | None = None

    @property
    def first_frame(self) -> int:
        """The least frame that is asked for."""
        after = 0 if self.after_frame is None else self.after_frame + 1
        return max(after, self.from_frame or 0)

    def holds(self, row: Mapping[str, Any]) -> bool:
        """Tell whether a row is asked for."""
        return self.touches(row["frame"], row["frame"]) and self.touches_s(
            row["pts_s"], row["pts_s"]
        )

    def touches(self, least: int, most: int) -> bool:
        """Tell whether any of these frames may be asked for."""
        return most >= self.first_frame and (self.to_frame is None or least <= self.to_frame)

    def touches_s(self, least_s: float, most_s: float) -> bool:
        """Tell whether any time between may be asked for."""
        return (self.from_s is None or most_s >= self.from_s) and (
            self.to_s is None or least_s <= self.to_s
        )


def blob_key(scenario_id: str, run: int, first: int, last: int, nonce: str) -> str:
    """Give the key of a settled part; `nonce` sees to it that no two puts share one."""
    return f"{PREFIX}{scenario_id}/{run}/{first:08d}-{last:08d}-{nonce}.parquet"


def parse_key(key: str) -> tuple[str, int, int] | None:
    """Give scenario, run and first part of a key; None where it is no settled part's."""
    names = key.removeprefix(PREFIX).split("/")
    if len(names) != 3 or not names[2].endswith(".parquet"):
        return None
    first = names[2].split("-")[0]
    if not (names[1].isdecimal() and first.isdecimal()):
        return None
    return names[0], int(names[1]), int(first)


def read(blobs: Blobs, key: str, span: Span) -> Iterator[dict[str, Any]]:
    """Give the rows of one settled part that are asked for; only groups that are touched are read.

    Raises:
        NotFound: the blob is gone.
        BlobsUnavailable: as `Blobs.get`.
    """
    with _opened(blobs, key) as source, pq.ParquetFile(source) as file:
        touched = [
            group for group in range(file.num_row_groups) if _is_touched(file.metadata, group, span)
        ]
        for batch in file.iter_batches(BATCH_ROWS, row_groups=touched, use_threads=False):
            frames = batch.column("frame").to_numpy()
            begin = int(np.searchsorted(frames, span.first_frame))
            end = len(frames)
            if span.to_frame is not None:
                end = int(np.searchsorted(frames, span.to_frame, side="right"))
            for row in rows_of(batch.slice(begin, max(0, end - begin))):
                if span.holds(row):
                    yield row


def _opened(blobs: Blobs, key: str) -> pa.NativeFile:
    path = blobs.local_path(key)
    if path is not None:
        try:
            return pa.OSFile(str(path), "rb")
        except FileNotFoundError:  # Deleted since.
            pass
    return pa.BufferReader(blobs.get(key))


def rows_of(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """Give the rows of a batch of the schema of `sinks/table.py`, as they were written."""
    objects = batch.column("objects")
    struct = objects.flatten()
    found = objects_from([_values(struct.field(key)) for key in OBJECT_KEYS])
    columns = [_values(batch.column(key)) for key in ROW_KEYS]
    return rows_from(columns, pc.list_value_length(objects).to_pylist(), found)


def _values(column: pa.Array) -> list[Any]:
    """Give an array's values as the JSON row has them; several times faster than to_pylist()."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        return _moments(column)
    if pa.types.is_string(kind):
        words = column.dictionary_encode()
        known = words.dictionary.to_pylist()
        return [None if at is None else known[at] for at in words.indices.to_pylist()]
    if pa.types.is_list(kind):
        flat, values, at = _values(column.flatten()), [], 0
        for count in pc.list_value_length(column).to_pylist():
            values.append(flat[at : at + count])
            at += count
        return values
    if column.null_count:
        return list(column.to_pylist())
    return list(column.to_numpy(zero_copy_only=False).tolist())


def _moments(column: pa.Array) -> list[str | None]:
    moments = column.cast(pa.timestamp("ms")).to_numpy(zero_copy_only=False)
    texts = np.datetime_as_string(moments, unit="ms").tolist()
    return [None if text == "NaT" else f"{text}Z" for text in texts]


def _is_touched(metadata: pq.FileMetaData, group: int, span: Span) -> bool:
    about = metadata.row_group(group)
    frame, pts_s = (about.column(ROW_KEYS.index(key)).statistics for key in ("frame", "pts_s"))
    if frame is None or pts_s is None or not frame.has_min_max or not pts_s.has_min_max:
        return True
    return span.touches(frame.min, frame.max) and span.touches_s(pts_s.min, pts_s.max)
