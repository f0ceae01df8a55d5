"""The websocket of live predictions."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from fastapi import APIRouter
from starlette.websockets import WebSocket, WebSocketDisconnect

from vedette.api import problems
from vedette.api.doors import SUBPROTOCOL
from vedette.api.feeds import LiveViews
from vedette.api.news import News, Reader
from vedette.api.parts import Parts
from vedette.domain.errors import VedetteError

log = logging.getLogger(__name__)

# RFC 6455, section 7.4.1.
_TRY_AGAIN_LATER = 1013


def live_routes(parts: Parts, views: LiveViews) -> APIRouter:
    """Give the websocket of live predictions."""
    routes = APIRouter()

    @routes.websocket("/api/v1/scenarios/{scenario_id}/live")
    async def live(websocket: WebSocket, scenario_id: str) -> None:
        try:
            reader, present = await views.attach(scenario_id)
        except VedetteError as error:
            await websocket.send_denial_response(problems.answer(problems.problem_of(error)))
            return
        try:
            offered = websocket.scope.get("subprotocols", ())
            await websocket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
            listening = asyncio.create_task(_until_gone(websocket))
            sending = asyncio.create_task(
                _send_on(websocket, reader, present, parts.options.live_patience_s)
            )
            try:
                await asyncio.wait({listening, sending}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (listening, sending):
                    task.cancel()
                await asyncio.gather(listening, sending, return_exceptions=True)
        finally:
            await views.detach(scenario_id, reader)

    return routes


async def _send_on(websocket: WebSocket, reader: Reader, present: News, patience_s: float) -> None:
    try:
        async with asyncio.timeout(patience_s):
            await websocket.send_text(present.text("state"))
        while (news := await reader.next()) is not None:
            async with asyncio.timeout(patience_s):
                await websocket.send_text(news.text("news"))
        await websocket.close(_TRY_AGAIN_LATER)
    except TimeoutError:
        log.info("a live reader took nothing for %g s and is let go", patience_s)
    except (WebSocketDisconnect, RuntimeError):
        return  # It has gone.


async def _until_gone(websocket: WebSocket) -> None:
    """Take in what a reader says, which is nothing to us, until it goes."""
    with contextlib.suppress(WebSocketDisconnect):
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
