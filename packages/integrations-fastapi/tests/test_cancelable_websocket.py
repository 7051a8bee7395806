"""`CancelableWebSocket` sends and receives as Starlette's own does, and says clearly what it refuses."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from fastapi import WebSocket
from starlette.websockets import WebSocket as StarletteWebSocket
from starlette.websockets import WebSocketDisconnect

from hother.cancelable import Cancelable
from hother.cancelable.integrations.fastapi import CancelableWebSocket

from .hand_made import Channel, with_and_without
from .web_sockets import Connection, binary, gone, make_websocket_app, text


async def run(channel: Channel, use: Callable[[Any], Awaitable[None]], *, middleware: bool = True) -> None:
    """Serve a channel with an endpoint that uses its web socket."""

    async def endpoint(websocket: WebSocket) -> None:
        await use(CancelableWebSocket(websocket))

    await channel.run_alone(make_websocket_app(endpoint, middleware=middleware))


@with_and_without
async def test_sends_what_starlette_sends(middleware: bool) -> None:
    """The server gets the very messages that it gets from Starlette's web socket."""

    async def talk(ws: WebSocket | CancelableWebSocket) -> None:
        await ws.accept("chat", [(b"x-name", b"value")])
        await ws.send_text("ä")
        await ws.send_bytes(b"\x00")
        await ws.send_json({"ä": [1, None]})
        await ws.send_json([1.5], mode="binary")
        await ws.close(4000, "bye")

    async def as_starlette(websocket: WebSocket) -> None:
        await talk(websocket)

    ours, theirs = Connection(), Connection()
    await run(ours, talk, middleware=middleware)
    await theirs.run_alone(make_websocket_app(as_starlette, middleware=middleware))
    assert ours.sent == theirs.sent
    assert len(ours.sent) == 6


@with_and_without
async def test_receives_what_the_peer_sends(middleware: bool) -> None:
    """Text, bytes and JSON in both kinds of frames arrive as what they are."""
    received: list[Any] = []

    async def talk(ws: CancelableWebSocket) -> None:
        await ws.accept()
        received.extend([await ws.receive_text(), await ws.receive_bytes(), await ws.receive_json()])
        received.append(await ws.receive_json(mode="binary"))

    frames = text("ä"), binary(b"\x00"), text('{"a":1}'), binary(b"[2]")
    await run(Connection(*frames), talk, middleware=middleware)
    assert received == ["ä", b"\x00", {"a": 1}, [2]]


@pytest.mark.parametrize(
    ("iterate", "frames", "expected"),
    [
        (lambda ws: ws.iter_text(), [text("a"), text("")], ["a", ""]),
        (lambda ws: ws.iter_bytes(), [binary(b"a"), binary(b"")], [b"a", b""]),
        (lambda ws: ws.iter_json(), [text("1"), text("null")], [1, None]),
        (lambda ws: ws.iter_json("binary"), [binary(b"[]")], [[]]),
    ],
    ids=["text", "bytes", "json", "json-binary"],
)
async def test_iterates(iterate: Callable[[Any], AsyncIterator[Any]], frames: list[Any], expected: list[Any]) -> None:
    """Iteration gives each frame and ends when the peer has left, as often as one asks."""
    received: list[Any] = []

    async def talk(ws: CancelableWebSocket) -> None:
        await ws.accept()
        received.extend([each async for each in iterate(ws)])
        assert [each async for each in iterate(ws)] == []

    await run(Connection(*frames, gone(1001)), talk)
    assert received == expected


async def test_iteration_may_be_left() -> None:
    """After a `break` the next frames are there for who asks next, and nothing has to be closed."""
    received: list[str] = []

    async def talk(ws: CancelableWebSocket) -> None:
        await ws.accept()
        async for each in ws.iter_text():
            received.append(each)
            break
        received.append(await ws.receive_text())

    await run(Connection(text("one"), text("two")), talk)
    assert received == ["one", "two"]


@pytest.mark.parametrize(
    ("receive", "frame", "error"),
    [
        (lambda ws: ws.receive_text(), binary(b"a"), "sent a binary frame where a text frame"),
        (lambda ws: ws.receive_json(), binary(b"1"), "sent a binary frame where a text frame"),
        (lambda ws: ws.receive_bytes(), text("a"), "sent a text frame where a binary frame"),
        (lambda ws: ws.receive_json("binary"), text("1"), "sent a text frame where a binary frame"),
        (lambda ws: ws.receive_json(), text("{"), "Expecting property name"),
        (lambda ws: ws.receive_json("xml"), text("1"), "mode must be 'text' or 'binary', not 'xml'"),
        (lambda ws: ws.send_json(1, mode="xml"), text("1"), "mode must be 'text' or 'binary', not 'xml'"),
        (lambda ws: ws.close(1006), text("1"), "code must be one that may be sent"),
    ],
)
async def test_value_that_is_wrong(receive: Callable[[Any], Awaitable[Any]], frame: Any, error: str) -> None:
    """What the peer should not have sent, and what the app should not ask for, is a `ValueError` that says so."""

    async def talk(ws: CancelableWebSocket) -> None:
        await ws.accept()
        with pytest.raises(ValueError, match=error):
            await receive(ws)

    await run(Connection(frame), talk)


@pytest.mark.parametrize(
    ("send", "error"),
    [
        (lambda ws: ws.send_text(b"a"), "data must be a string, not b'a'"),
        (lambda ws: ws.send_bytes("a"), "data must be bytes, not 'a'"),
        (lambda ws: ws.send_json(object()), "not JSON serializable"),
        (lambda ws: ws.close("1000"), "code must be a whole number, not '1000'"),
    ],
)
async def test_type_that_is_wrong(send: Callable[[Any], Awaitable[Any]], error: str) -> None:
    """What cannot be sent is refused before the server sees it, and the web socket stays usable."""

    async def talk(ws: CancelableWebSocket) -> None:
        await ws.accept()
        with pytest.raises(TypeError, match=error):
            await send(ws)
        await ws.send_text("still here")

    channel = Connection()
    await run(channel, talk)
    assert channel.sent_types == ["websocket.accept", "websocket.send"]


async def test_arguments_that_are_wrong() -> None:
    """Neither something else than a web socket nor something else than an operation is taken."""
    channel = Connection()
    wrong: Any = CancelableWebSocket
    with pytest.raises(TypeError, match="websocket must be a WebSocket, not <class"):
        CancelableWebSocket(wrong)
    websocket = StarletteWebSocket(channel.scope, channel.receive, channel.send)
    with pytest.raises(TypeError, match="cancelable must be a Cancelable, not 5"):
        CancelableWebSocket(websocket, 5)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="add RequestCancelationMiddleware"):
        CancelableWebSocket(websocket, Cancelable())


async def test_before_it_is_accepted() -> None:
    """Who forgets to accept is told so, and may refuse the connection instead."""

    async def talk(ws: CancelableWebSocket) -> None:
        for forgotten in (ws.receive_text, ws.receive_bytes, ws.receive_json, ws.iter_text().__anext__):
            with pytest.raises(RuntimeError, match="accept the web socket first"):
                await forgotten()
        with pytest.raises(RuntimeError, match=r"websocket\.accept"):
            await ws.send_text("too early")
        await ws.close(4003)

    channel = Connection()
    await run(channel, talk)
    assert channel.sent == [{"type": "websocket.close", "code": 4003, "reason": ""}]


async def test_after_the_app_has_closed() -> None:
    """Who goes on after having closed is told so; closing again is no error, and says nothing to the peer."""

    async def talk(ws: CancelableWebSocket) -> None:
        await ws.accept()
        await ws.close()
        for late in (ws.receive_text, lambda: ws.send_text("too late"), ws.accept):
            with pytest.raises(RuntimeError):
                await late()
        await ws.close(4000)
        assert ws.close_code is None

    channel = Connection(gone(1000))
    await run(channel, talk)
    assert channel.sent_types == ["websocket.accept", "websocket.close"]


async def test_raw_web_socket_can_be_used_beside_it() -> None:
    """What is accepted, received and closed with one of the two holds for the other."""

    async def talk(ws: CancelableWebSocket) -> None:
        await ws.websocket.accept()
        assert await ws.receive_text() == "one"
        assert await ws.websocket.receive_text() == "two"
        assert await ws.receive_text() == "three"
        with pytest.raises(WebSocketDisconnect):
            await ws.websocket.receive_text()
        assert ws.close_code == 4001
        await ws.close()

    channel = Connection(text("one"), text("two"), text("three"), gone(4001))
    await run(channel, talk)
    assert channel.most_in_flight == 1
