"""Reads prediction rows in frame order, wherever they lie: fresh in the store, settled in blobs.

Whoever reads does not see parts being settled: the manifest is asked again and again for what comes
after the last row given. Memory is bounded by some parts of one commit, or by one row group.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

from sqlalchemy import Row

from vedette.blobs.base import Blobs
from vedette.domain.errors import BlobsUnavailable, NotFound
from vedette.results import settled
from vedette.results.forms import FileFormat, encoded
from vedette.results.fresh import unpack
from vedette.results.settled import Span
from vedette.store.base import Store, Transaction
from vedette.store.statements import parts

# Parts in one look at the manifest: the first look is for a page, the later ones for all.
LOOK_PARTS = 4
LOOK_PARTS_MAX = 32


def page(
    store: Store,
    blobs: Blobs,
    scenario_id: str,
    run: int,
    *,
    limit: int,
    after_frame: int | None = None,
    from_frame: int | None = None,
    to_frame: int | None = None,
    from_s: float | None = None,
    to_s: float | None = None,
) -> list[dict[str, Any]]:
    """Give the first `limit` of what `rows` gives; for the next ones, ask after its last frame."""
    span = Span(after_frame, from_frame, to_frame, from_s, to_s)
    return list(islice(_rows(store, blobs, scenario_id, run, span), limit))


def rows(
    store: Store,
    blobs: Blobs,
    scenario_id: str,
    run: int,
    *,
    after_frame: int | None = None,
    from_frame: int | None = None,
    to_frame: int | None = None,
    from_s: float | None = None,
    to_s: float | None = None,
) -> Iterator[dict[str, Any]]:
    """Give prediction rows (`domain/prediction.py`) in frame order, up to what is committed now.

    Args:
        store: Where the manifest and fresh rows are.
        blobs: Where settled rows are.
        scenario_id: Whose.
        run: Of which run; 0, never started, has none.
        after_frame: Only frames with a greater number.
        from_frame: Only this frame and later ones.
        to_frame: Only up to this frame.
        from_s: Only from this media time on (`pts_s`), seconds.
        to_s: Only up to this media time.

    Raises:
        NotFound: there is no such run, or retention deleted rows while they were being read.
        StoreUnavailable, BlobsUnavailable: waiting may help.
    """
    span = Span(after_frame, from_frame, to_frame, from_s, to_s)
    return _rows(store, blobs, scenario_id, run, span)


def export(
    store: Store,
    blobs: Blobs,
    scenario_id: str,
    run: int,
    *,
    file_format: FileFormat,
    from_frame: int | None = None,
    to_frame: int | None = None,
    from_s: float | None = None,
    to_s: float | None = None,
) -> Iterator[bytes]:
    """Give a file of rows in pieces, in the very form of `vedette run`; else as `rows`.

    The same rows give the same bytes, settled or not. What is wrong with the run itself is raised
    at once, not with the first piece.
    """
    if run:
        store.read(partial(parts.trimmed_to, scenario_id=scenario_id, run=run))
    span = Span(None, from_frame, to_frame, from_s, to_s)
    return encoded(_rows(store, blobs, scenario_id, run, span), file_format)


def _rows(
    store: Store, blobs: Blobs, scenario_id: str, run: int, span: Span
) -> Iterator[dict[str, Any]]:
    return _Walk(store, blobs, scenario_id, run, span).rows() if run else iter(())


class _Walk:
    """One walk over a run's rows; goes on after the last row given, whatever changes meanwhile."""

    def __init__(self, store: Store, blobs: Blobs, scenario_id: str, run: int, span: Span) -> None:
        self._store = store
        self._blobs = blobs
        self._scenario_id = scenario_id
        self._run = run
        self._span = span
        self._frame = span.first_frame  # All before it are given, or not asked for.
        self._began = False
        self._trimmed: int | None = None  # When we began.
        self._gone: str | None = None  # The blob that was not there when we last looked.

    def rows(self) -> Iterator[dict[str, Any]]:
        look_parts = LOOK_PARTS
        while found := self._look(look_parts):
            look_parts = LOOK_PARTS_MAX
            for part in found:
                try:
                    yield from self._part_rows(part)
                except NotFound as error:  # Told before its first row.
                    # Deleted since we looked; then the manifest does not name it any more.
                    self._note_gone(part, error)
                    break
                self._frame = max(self._frame, part.last_frame + 1)

    def _look(self, limit: int) -> list[Row[Any]]:
        if self._span.to_frame is not None and self._frame > self._span.to_frame:
            return []

        def question(transaction: Transaction) -> tuple[list[Row[Any]], int | None]:
            found = parts.parts_from(
                transaction,
                self._scenario_id,
                self._run,
                frame=self._frame,
                to_frame=self._span.to_frame,
                limit=limit,
            )
            return found, parts.trimmed_to(transaction, self._scenario_id, self._run)

        found, trimmed = self._store.read(question)
        if not self._began:
            self._began, self._trimmed = True, trimmed
        if trimmed is not None and trimmed != self._trimmed and trimmed >= self._frame:
            raise NotFound(
                f"scenario '{self._scenario_id}', run {self._run}: its rows up to frame {trimmed} "
                "were deleted by retention while they were being read; ask again for the rest"
            )
        return found

    def _part_rows(self, part: Row[Any]) -> Iterator[dict[str, Any]]:
        rest = replace(self._span, after_frame=None, from_frame=self._frame)
        if part.blob_key is None:
            return filter(rest.holds, unpack(part.bytes))
        if not rest.touches_s(part.first_pts_s, part.last_pts_s):
            return iter(())
        return settled.read(self._blobs, part.blob_key, rest)

    def _note_gone(self, part: Row[Any], error: NotFound) -> None:
        if self._gone == part.blob_key:
            raise BlobsUnavailable(
                f"scenario '{self._scenario_id}', run {self._run}: the rows of frames "
                f"{part.first_frame} to {part.last_frame} are missing: {error}"
            ) from error
        self._gone = part.blob_key
