"""Web sockets: operations end when the peer goes, and frames arrive in order."""

from __future__ import annotations

import anyio
import pytest
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from hother.cancelable import Cancelable, CancelationReason
from hother.cancelable.integrations.fastapi import cancelable_dependency, get_request_token
from hother.cancelable.integrations.fastapi.channel import LOOK_AHEAD

from .hand_made import Channel

CONNECT: Message = {"type": "websocket.connect"}


def text(content: str) -> Message:
    """Return a frame from the peer."""
    return {"type": "websocket.receive", "text": content}


def gone(code: int = 1000) -> Message:
    """Return what the server says when the peer has gone."""
    return {"type": "websocket.disconnect", "code": code}


def connection() -> Channel:
    """Return a connection that waits to be accepted."""
    return Channel(CONNECT, kind="websocket")


@pytest.mark.parametrize("code", [1000, 1001, 1005, 1006, 4001])
async def test_sending_endpoint_stops(code: int) -> None:
    """An operation that never reads ends when the peer goes, with whichever code."""
    channel, operation = connection(), Cancelable()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        websocket = WebSocket(scope, receive, send)
        async with operation:
            await websocket.accept()
            await anyio.sleep_forever()

    async with channel.running(app):
        channel.push(gone(code))
    assert operation.context.cancel_reason is CancelationReason.DISCONNECT
    assert channel.sent_types == ["websocket.accept"]


async def test_frames_arrive_in_order() -> None:
    """No frame is lost or overtaken, some are read ahead, and then comes the end for who asks outside an operation."""
    channel = connection()
    frames: list[str] = []
    sent = [f"{number}{'.' * (LOOK_AHEAD // 8)}" for number in range(16)]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        websocket = WebSocket(scope, receive, send)
        get_request_token(websocket)
        await websocket.accept()
        await anyio.wait_all_tasks_blocked()
        assert channel.delivered == 1 + 8
        with pytest.raises(WebSocketDisconnect) as caught:
            while True:
                frames.append(await websocket.receive_text())
        assert caught.value.code == 4001

    channel.push(*map(text, sent), gone(4001))
    await channel.run(app)
    assert frames == sent
    assert channel.most_in_flight == 1


@pytest.mark.parametrize("unread", [1, 200, 5000])
async def test_close_behind_frames_that_nobody_reads_is_seen(unread: int) -> None:
    """A peer that has sent something before it goes, such as heartbeats, ends the operation as well."""
    channel, operation = connection(), Cancelable()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        websocket = WebSocket(scope, receive, send)
        await websocket.accept()
        async with operation:
            await anyio.sleep_forever()

    channel.push(*[text("ping")] * unread, gone(1001))
    await channel.run(app)
    assert operation.context.cancel_reason is CancelationReason.DISCONNECT


async def test_frame_that_waits_can_be_fetched() -> None:
    """Whoever takes only what is there, in a scope that is cancelled at once, gets the frame that is there."""
    channel, frames = connection(), list[Message]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        get_request_token(WebSocket(scope, receive, send))
        for _ in range(2):
            await anyio.wait_all_tasks_blocked()
            with anyio.move_on_after(0):
                frames.append(await receive())

    channel.push(text("one"))
    await channel.run(app)
    assert frames == [CONNECT, text("one")]


async def test_parked_read_is_interrupted() -> None:
    """An operation that waits for a frame ends with DISCONNECT when the peer goes."""
    channel, operation = connection(), Cancelable()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        websocket = WebSocket(scope, receive, send)
        await websocket.accept()
        async with operation:
            await websocket.receive_text()

    async with channel.running(app):
        channel.push(gone())
    assert operation.context.cancel_reason is CancelationReason.DISCONNECT


@pytest.mark.parametrize(
    "last",
    [{"type": "websocket.close", "code": 1000}, {"type": "websocket.http.response.body", "body": b"denied"}],
    ids=["close", "denial"],
)
async def test_closing_is_no_leaving(last: Message) -> None:
    """After the app has closed or denied the connection, nothing is cancelled."""
    channel, operation = connection(), Cancelable()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert await receive() == CONNECT
        async with operation:
            await send(last)
            channel.push(gone())
            await anyio.wait_all_tasks_blocked()

    await channel.run(app)
    assert operation.is_completed
    assert not operation.cancel_requested


async def test_dependency_works_for_web_sockets() -> None:
    """The operation of a web socket is made like that of a request."""
    channel, operations = connection(), list[Cancelable]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        websocket = WebSocket(scope, receive, send)
        await websocket.accept()
        operations.append(await cancelable_dependency(websocket))
        async with operations[0]:
            await anyio.sleep_forever()

    async with channel.running(app):
        channel.push(gone())
    assert operations[0].context.name == "WebSocket /"
    assert operations[0].context.cancel_reason is CancelationReason.DISCONNECT
