"""`CancelableWebSocket` on real servers, which differ in all that they say of a peer that leaves."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from fastapi import WebSocket
from starlette.websockets import WebSocketDisconnect

from hother.cancelable import (
    Cancelable,
    CancelationReason,
    ManualCancelation,
    TimeoutCancelation,
)
from hother.cancelable.integrations.fastapi import CancelableWebSocket, get_request_token

from .clients import Journal, quickest
from .hand_made import make_app
from .peers import Peer
from .serving import serving

pytestmark = pytest.mark.server

SERVERS = [
    ("h11", "websockets"),
    ("httptools", "websockets"),
    ("h11", "websockets-sansio"),
    ("httptools", "websockets-sansio"),
    ("h11", "wsproto"),
    ("hypercorn", "none"),
    ("hypercorn-trio", "none"),
    ("granian", "none"),
]
each_server = pytest.mark.parametrize(("kind", "ws"), SERVERS, ids=["-".join(each) for each in SERVERS])
CLOSE_AS_TOLD = {
    "h11": " (close code 4001: bye)",
    "httptools": " (close code 4001: bye)",
    "hypercorn": "",
    "hypercorn-trio": "",
    "granian": " (close code 4001)",
}


@each_server
@pytest.mark.parametrize("middleware", [True, False], ids=["middleware", "alone"])
@pytest.mark.parametrize("how", ["close", "reset"])
def test_loop_that_only_sends(kind: str, ws: Any, middleware: bool, how: Any) -> None:
    """A loop that never receives ends within 0.2 s of the peer closing or vanishing, and says with which code."""
    app, journal = make_app(middleware=middleware), Journal()

    @app.websocket("/{name}")
    async def endpoint(websocket: WebSocket, name: str) -> None:
        cancel = Cancelable()
        socket = CancelableWebSocket(websocket, cancel)
        await socket.accept()
        try:
            async with cancel:
                while True:
                    await socket.send_json({"status": "working"})
                    await anyio.sleep(0.01)
        finally:
            journal.note(name, (cancel.context.cancel_reason, cancel.context.cancel_message))

    def leave(name: str) -> float:
        peer = Peer(server.connect(), f"/{name}")
        peer.receive("working")
        left = peer.leave(how)
        took = journal.when(name) - left
        reason, message = journal.values[name]
        assert reason is CancelationReason.DISCONNECT
        if how == "close":
            assert message == f"the client has left{CLOSE_AS_TOLD[kind]}"
        return took

    with serving(app, kind, ws) as server:
        assert quickest(leave, 0.2) < 0.2


@each_server
@pytest.mark.parametrize("how", ["close", "reset"])
def test_parked_receive(kind: str, ws: Any, how: Any) -> None:
    """A receive that waits ends within 0.2 s of the peer leaving; what it had sent was received, in order."""
    app, journal = make_app(middleware=False), Journal()

    @app.websocket("/{name}")
    async def endpoint(websocket: WebSocket, name: str) -> None:
        cancel, frames = Cancelable(), list[str]()
        socket = CancelableWebSocket(websocket, cancel)
        await socket.accept()
        try:
            async with cancel:
                async for text in socket.iter_text():
                    frames.append(text)
                    await socket.send_text(f"received {text}")
        finally:
            journal.note(name, (cancel.context.cancel_reason, frames))

    def leave(name: str) -> float:
        peer = Peer(server.connect(), f"/{name}")
        for each in ("1", "2", "3"):
            peer.send(each)
        peer.receive("received 3")
        left = peer.leave(how)
        took = journal.when(name) - left
        assert journal.values[name] == (CancelationReason.DISCONNECT, ["1", "2", "3"])
        return took

    with serving(app, kind, ws) as server:
        assert quickest(leave, 0.2) < 0.2


@each_server
def test_outside_an_operation(kind: str, ws: Any) -> None:
    """Every server says the same of a peer that has gone: frames, then one exception, as often as one asks."""
    app, journal = make_app(middleware=False), Journal()

    @app.websocket("/")
    async def endpoint(websocket: WebSocket) -> None:
        socket = CancelableWebSocket(websocket)
        await socket.accept()
        await get_request_token(websocket).wait_for_cancel()
        frames = [text async for text in socket.iter_text()]
        errors = list[int]()
        for call in (lambda: socket.send_text("a"), lambda: socket.send_json(1), socket.receive_text) * 2:
            try:
                await call()
            except WebSocketDisconnect as error:
                errors.append(error.code)
        await socket.close()
        journal.note("ended", (frames, errors, socket.close_code))

    with serving(app, kind, ws) as server:
        peer = Peer(server.connect(), "/")
        for each in ("1", "2", "3"):
            peer.send(each)
        peer.leave("close")
        journal.when("ended")
    code = None if kind.startswith("hypercorn") else 4001
    assert journal.values["ended"] == (["1", "2", "3"], [code or 1006] * 6, code)


@each_server
@pytest.mark.parametrize("how", ["by id", "timeout"])
def test_idle_web_sockets_end_with_their_operation(kind: str, ws: Any, how: str) -> None:
    """Two web sockets on which nothing happens end when their operations do, and the peers hear why."""
    app, operations = make_app(middleware=True), dict[str, Cancelable]()

    @app.websocket("/{name}")
    async def endpoint(websocket: WebSocket, name: str) -> None:
        cancel = Cancelable(operation_id=name, timeout=0.2 if how == "timeout" else None)
        operations[name] = cancel
        socket = CancelableWebSocket(websocket, cancel)
        await socket.accept()
        try:
            async with cancel:
                await socket.receive_text()
        except (TimeoutCancelation, ManualCancelation) as error:
            await socket.send_text("sorry")
            await socket.close(4002, str(error.reason))

    with serving(app, kind, ws) as server:
        peers = [Peer(server.connect(), f"/{name}") for name in ("one", "two")]
        if how == "by id":
            for name in ("one", "two"):
                operations[name].cancel_sync("enough")
        for peer in peers:
            peer.receive("sorry")
            assert peer.receive_close() == (4002, "manual" if how == "by id" else "timeout")
