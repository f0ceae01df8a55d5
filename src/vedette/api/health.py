"""How the service does: for load balancers, and for Prometheus."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel

from vedette.api import problems
from vedette.api.feeds import LiveViews
from vedette.api.parts import Parts
from vedette.domain.errors import StoreUnavailable
from vedette.domain.scenario import ScenarioState
from vedette.store.base import Transaction
from vedette.store.statements.overview import (
    commands_waiting,
    runners_alive,
    scenarios_by_state,
)

# A store that takes longer for one number serves nobody.
_PATIENCE_S = 2.0
_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


class HealthAnswer(BaseModel):
    """All is well; else there is a problem instead."""

    status: str = "ok"


def health_routes(parts: Parts, views: LiveViews) -> APIRouter:
    """Give the routes of health and metrics."""
    routes = APIRouter(tags=["health"])

    @routes.get("/healthz", responses=problems.declared(), operation_id="isAlive")
    async def alive() -> HealthAnswer:
        """Tell that this process answers."""
        return HealthAnswer()

    @routes.get("/readyz", responses=problems.declared(), operation_id="isReady")
    async def ready() -> HealthAnswer:
        """Tell that the store answers too."""
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await parts.store.aread(commands_waiting)
        except TimeoutError:
            raise StoreUnavailable(f"the store did not answer in {_PATIENCE_S:g} s") from None
        return HealthAnswer()

    @routes.get(
        "/metrics",
        response_class=PlainTextResponse,
        responses=problems.declared(),
        operation_id="showMetrics",
    )
    async def metrics() -> PlainTextResponse:
        """Give a few numbers in the format of Prometheus."""
        states, waiting, runners = await parts.store.aread(_numbers)
        lines = [
            "# HELP vedette_scenarios Scenarios in each state.",
            "# TYPE vedette_scenarios gauge",
            *(f'vedette_scenarios{{state="{state}"}} {count}' for state, count in states.items()),
            *_gauge("vedette_commands_waiting", "Commands accepted, not yet decided.", waiting),
            *_gauge("vedette_runners_alive", "Runners whose leases hold.", runners),
            *_gauge("vedette_live_readers", "Websockets open here.", views.readers_count),
            "# HELP vedette_live_rows_skipped_total Rows not shown to readers that were too slow.",
            "# TYPE vedette_live_rows_skipped_total counter",
            f"vedette_live_rows_skipped_total {views.rows_skipped_total}",
        ]
        return PlainTextResponse("\n".join(lines) + "\n", media_type=_PROMETHEUS)

    return routes


def _gauge(name: str, told: str, value: int) -> list[str]:
    return [f"# HELP {name} {told}", f"# TYPE {name} gauge", f"{name} {value}"]


def _numbers(transaction: Transaction) -> tuple[dict[ScenarioState, int], int, int]:
    return (
        scenarios_by_state(transaction),
        commands_waiting(transaction),
        runners_alive(transaction),
    )
