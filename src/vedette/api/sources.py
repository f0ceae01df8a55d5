"""Sources: what scenarios look at, each once; never with a password."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from vedette.api import problems
from vedette.api.choosing import CURSOR_PATTERN, cursor_of, key_of
from vedette.api.parts import PAGE_DEFAULT, PAGE_MAX, Parts
from vedette.api.views import UPLOADED, source_view
from vedette.sealing import Seal
from vedette.sources.address import HIDDEN, scheme_of
from vedette.store.statements.overview import SourceRow
from vedette.store.statements.registered import list_sources


class SourceLine(BaseModel):
    """A source in a list."""

    source_id: Annotated[str, Field(description="A new scenario may name it as its source.")]
    name: str
    kind: Annotated[
        str | None,
        Field(description="Scheme of its address, `file` or `uploaded`; null: cannot be read."),
    ]
    address: Annotated[str, Field(description="Without a password.")]
    holder: Annotated[str | None, Field(description="The runner that has it.")]
    holder_lives: bool | None


class SourcePage(BaseModel):
    """A page of a list; `next_cursor` is null at its end."""

    sources: list[SourceLine]
    next_cursor: str | None


def source_routes(parts: Parts) -> APIRouter:
    """Give the routes of sources."""
    routes = APIRouter(tags=["sources"])

    @routes.get("/api/v1/sources", responses=problems.declared(), operation_id="listSources")
    async def list_all(
        *,
        cursor: Annotated[str | None, Query(pattern=CURSOR_PATTERN)] = None,
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = PAGE_DEFAULT,
    ) -> SourcePage:
        """List the sources that are registered, in the order of their ids."""
        after = None if cursor is None else key_of(cursor, (str,))[0]
        rows = await parts.store.aread(lambda t: list_sources(t, after=after, limit=limit))
        return SourcePage(
            sources=[_line(row, parts.seal) for row in rows],
            next_cursor=cursor_of([rows[-1].id]) if len(rows) == limit else None,
        )

    return routes


def _line(row: SourceRow, seal: Seal) -> SourceLine:
    shown = source_view(row, seal)
    address = shown.address
    kind = address if address == UPLOADED else scheme_of(address) or "file"
    return SourceLine(
        source_id=shown.id,
        name=shown.name,
        kind=None if address == HIDDEN else kind,
        address=address,
        holder=shown.holder,
        holder_lives=shown.holder_lives,
    )
