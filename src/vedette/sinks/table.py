"""Predictions as Parquet: one row per frame, its objects as a list of structs."""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from vedette.sinks.rows import ByteTarget, Row, RowWriter, write_all

if TYPE_CHECKING:
    from typing_extensions import Buffer


def _required(name: str, kind: pa.DataType) -> pa.Field[Any]:
    return pa.field(name, kind, nullable=False)


_OBJECT = pa.struct([
    _required("label", pa.string()),
    # Doubles, so that the decimals are those of the JSON row.
    _required("confidence", pa.float64()),
    _required("x1", pa.float64()),
    _required("y1", pa.float64()),
    _required("x2", pa.float64()),
    _required("y2", pa.float64()),
    pa.field("track_id", pa.int64()),
    _required("zones", pa.list_(_required("element", pa.string()))),
])  # fmt: skip
SCHEMA = pa.schema([
    _required("scenario_id", pa.string()),
    _required("camera_id", pa.string()),
    pa.field("run", pa.string()),
    _required("frame", pa.int64()),
    _required("pts_s", pa.float64()),
    pa.field("captured_at", pa.timestamp("ms", tz="UTC")),
    _required("width", pa.int32()),
    _required("height", pa.int32()),
    _required("objects", pa.list_(_required("element", _OBJECT))),
])  # fmt: skip
# A row group is held in memory until written: some 20 MB of Python objects at the most.
GROUP_ROWS_MAX = 20_000
GROUP_OBJECTS_MAX = 50_000


class TableWriter(RowWriter):
    """Collects rows into row groups; the same rows give the same bytes."""

    def __init__(
        self,
        file: ByteTarget,
        *,
        group_rows_max: int | None = None,
        facts: Mapping[str, str] | None = None,
    ) -> None:
        """Plan a table.

        Args:
            file: Where its bytes go.
            group_rows_max: Rows in a row group; `GROUP_ROWS_MAX` if None.
            facts: Stand in the file's own metadata.
        """
        self._file = file
        self._group_rows_max = GROUP_ROWS_MAX if group_rows_max is None else group_rows_max
        self._facts = facts
        self._writer: pq.ParquetWriter | None = None
        self._rows: list[Row] = []
        self._objects = 0

    def write(self, row: Row) -> None:
        moment = row["captured_at"]
        recorded = None if moment is None else datetime.fromisoformat(moment)
        self._rows.append({**row, "captured_at": recorded})
        self._objects += len(row["objects"])
        if len(self._rows) >= self._group_rows_max or self._objects >= GROUP_OBJECTS_MAX:
            self._flush()

    def close(self) -> None:
        self._flush()
        assert self._writer is not None
        if self._facts:
            self._writer.add_key_value_metadata(self._facts)
        self._writer.close()

    def _flush(self) -> None:
        if self._writer is None:
            self._writer = pq.ParquetWriter(
                pa.PythonFile(_Whole(self._file), mode="w"), SCHEMA, compression="zstd"
            )
        table = pa.Table.from_pylist(self._rows, schema=SCHEMA)
        self._writer.write_table(table, row_group_size=max(1, len(self._rows)))
        self._rows.clear()
        self._objects = 0


class _Whole(io.RawIOBase):
    """A file whose writes are whole; pyarrow does not look at how much was written."""

    def __init__(self, file: ByteTarget) -> None:
        self._file = file

    def writable(self) -> bool:
        return True

    def write(self, content: Buffer) -> int:
        view = memoryview(content)
        write_all(self._file, view)
        return view.nbytes

    def tell(self) -> int:
        return self._file.tell()
