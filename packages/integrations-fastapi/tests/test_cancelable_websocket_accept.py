"""A `CancelableWebSocket` whose peer leaves before it was accepted."""

from __future__ import annotations

import anyio
import pytest
from fastapi import WebSocket
from starlette.types import Message
from starlette.websockets import WebSocketDisconnect, WebSocketState

from hother.cancelable import Cancelable, DisconnectCancelation
from hother.cancelable.integrations.fastapi import CancelableWebSocket

from .hand_made import with_and_without
from .web_sockets import Connection, gone, run


@with_and_without
async def test_left_before_it_was_accepted(middleware: bool) -> None:
    """A peer that does not wait for the answer has gone like any other; nothing is sent to it."""
    connection = Connection()
    connection.push(gone(1006))

    async def endpoint(websocket: WebSocket) -> None:
        ws = CancelableWebSocket(websocket)
        await anyio.wait_all_tasks_blocked()
        for call in (ws.receive_text, ws.accept, lambda: ws.send_text("a"), ws.receive_text):
            with pytest.raises(WebSocketDisconnect):
                await call()
        await ws.close()
        with pytest.raises(DisconnectCancelation):
            async with Cancelable() as cancel:
                await CancelableWebSocket(websocket, cancel).accept()
        assert websocket.application_state is WebSocketState.CONNECTING

    await run(connection, endpoint, middleware=middleware)
    assert connection.sent == []


async def test_accept_that_fails() -> None:
    """A server that says at the accept that the peer has gone is understood."""
    connection = Connection()

    async def fail(message: Message) -> None:
        raise OSError("gone")

    async def endpoint(websocket: WebSocket) -> None:
        ws = CancelableWebSocket(websocket)
        with pytest.raises(WebSocketDisconnect):
            await ws.accept()
        with pytest.raises(DisconnectCancelation):
            async with Cancelable() as cancel:
                await CancelableWebSocket(websocket, cancel).receive_text()

    connection.send = fail  # type: ignore[method-assign]
    await run(connection, endpoint)
