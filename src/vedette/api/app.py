"""The API: its subjects, its doors, and the page that describes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from vedette import __version__
from vedette.api import problems
from vedette.api.counts import count_routes
from vedette.api.doors import Doors
from vedette.api.events import event_routes
from vedette.api.feeds import LiveViews
from vedette.api.health import health_routes
from vedette.api.live import live_routes
from vedette.api.options import EVERY_NAME, ApiOptions
from vedette.api.parts import Parts
from vedette.api.predictions import prediction_routes
from vedette.api.scenarios import body_schemas, scenario_routes
from vedette.api.sources import source_routes
from vedette.api.tasks import task_routes
from vedette.blobs.base import Blobs
from vedette.bus.base import Bus
from vedette.clock import Clock
from vedette.domain.errors import ConfigError
from vedette.sealing import Seal
from vedette.store.base import Store

__all__ = ["ApiOptions", "make_app"]

TITLE = "Vedette"
_NAME_THREADS = 4


def make_app(
    *, store: Store, bus: Bus, blobs: Blobs, seal: Seal, clock: Clock, options: ApiOptions
) -> FastAPI:
    """Make the API; whoever serves it keeps the engines open until it has ended.

    Raises:
        ConfigError: it would be open to everybody.
    """
    if EVERY_NAME in options.hosts and options.token is None:
        raise ConfigError("an API that answers to every name needs a token")
    live = LiveViews(store, bus, blobs, options)
    parts = Parts(
        store=store,
        bus=bus,
        blobs=blobs,
        seal=seal,
        clock=clock,
        options=options,
        threads=ThreadPoolExecutor(options.uploads_max, thread_name_prefix="api-upload"),
        name_threads=ThreadPoolExecutor(_NAME_THREADS, thread_name_prefix="api-names"),
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        live.start()
        try:
            yield
        finally:
            await live.stop()
            parts.name_threads.shutdown(wait=False, cancel_futures=True)
            await asyncio.to_thread(parts.threads.shutdown, cancel_futures=True)

    app = FastAPI(
        title=TITLE,
        version=__version__,
        lifespan=lifespan,
        docs_url=None,  # Their pages load programs from elsewhere.
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
    )
    problems.set_up(app)
    for routes in (
        scenario_routes,
        source_routes,
        prediction_routes,
        count_routes,
        event_routes,
        task_routes,
    ):
        app.include_router(routes(parts))
    app.include_router(health_routes(parts, live))
    app.include_router(live_routes(parts, live))
    app.add_middleware(Doors, options=options)
    app.openapi = lambda: _described(app, options)  # type: ignore[method-assign]
    return app


def _described(app: FastAPI, options: ApiOptions) -> dict[str, Any]:
    """Give the OpenAPI document, with what FastAPI cannot know."""
    if app.openapi_schema is not None:
        return app.openapi_schema
    described = get_openapi(title=TITLE, version=__version__, routes=app.routes)
    components = described.setdefault("components", {})
    components.setdefault("schemas", {}).update({"Problem": problems.SCHEMA, **body_schemas()})
    if options.token is not None:
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        described["security"] = [{"token": []}]
    app.openapi_schema = described
    return described
