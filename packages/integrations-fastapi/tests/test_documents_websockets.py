"""What the documents show of web sockets works as they say, with and without the middleware, on a real server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from fastapi import WebSocket
from starlette.websockets import WebSocketDisconnect

from hother.cancelable import Cancelable, CancelationReason
from hother.cancelable.integrations.fastapi import CancelableWebSocket

from .clients import Journal
from .hand_made import make_app, with_and_without
from .peers import Peer
from .serving import serving

pytestmark = pytest.mark.server

each_kind = pytest.mark.parametrize(("kind", "ws"), [("h11", "wsproto"), ("httptools", "websockets-sansio")])


@each_kind
@with_and_without
@pytest.mark.parametrize("how", ["close", "reset"])
def test_cancelable_websocket(kind: str, ws: Any, middleware: bool, how: Any) -> None:
    """The wrapper that is made inside the block sends and receives; progress is told; the peer ends the operation."""
    app, journal = make_app(middleware=middleware), Journal()

    async def process(data: Any) -> Any:
        await anyio.sleep(0.001)
        return {"processed": data}

    @app.websocket("/ws/{client_id}")
    async def websocket_endpoint(websocket: WebSocket, client_id: str) -> None:
        await websocket.accept()
        try:
            async with Cancelable.with_timeout(300.0) as cancel:
                cancel.on_progress(lambda operation_id, message, metadata: journal.note("progress", message))
                ws = CancelableWebSocket(websocket, cancel)
                await ws.send_json({"status": "connected"})
                while True:
                    data = await ws.receive_json()
                    await cancel.report_progress(f"Received from {client_id}")
                    response = await process(data)
                    await ws.send_json(response)
        finally:
            journal.note("ended", cancel.context.cancel_reason)

    with serving(app, kind, ws) as server:
        peer = Peer(server.connect(), "/ws/7")
        peer.receive('{"status":"connected"}')
        peer.send('["one"]')
        peer.receive('{"processed":["one"]}')
        peer.leave(how)
        journal.when("ended")
    assert journal.values == {"progress": "Received from 7", "ended": CancelationReason.DISCONNECT}


@each_kind
@with_and_without
@pytest.mark.parametrize("how", ["close", "reset"])
def test_web_socket_streaming(kind: str, ws: Any, middleware: bool, how: Any) -> None:
    """A loop that only sends on the raw web socket, in an operation, ends soon after its peer has gone."""
    app, journal = make_app(middleware=middleware), Journal()

    async def data_stream() -> AsyncIterator[int]:
        for number in range(500):
            yield number
            await anyio.sleep(0.01)

    @app.websocket("/stream")
    async def websocket_endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            async with Cancelable(name="websocket_stream"):
                try:
                    async for data in data_stream():
                        await websocket.send_json(data)
                except WebSocketDisconnect:
                    pass
        finally:
            journal.note("ended")

    with serving(app, kind, ws) as server:
        peer = Peer(server.connect(), "/stream")
        peer.receive("3")
        left = peer.leave(how)
        assert journal.when("ended") - left < 1
