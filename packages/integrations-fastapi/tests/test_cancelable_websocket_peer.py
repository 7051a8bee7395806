"""What a `CancelableWebSocket` makes of a peer that leaves, whatever the server does then."""

from __future__ import annotations

import anyio
import pytest
from fastapi import Depends, WebSocket
from starlette.types import Message
from starlette.websockets import WebSocketDisconnect

from hother.cancelable import Cancelable, CancelationReason, DisconnectCancelation
from hother.cancelable.integrations.fastapi import CancelableWebSocket

from .hand_made import make_app, with_and_without
from .web_sockets import Connection, gone, run, text


class Lost(Connection):
    """A connection whose server says what a send to a peer that has gone is on it: an exception, or nothing."""

    def __init__(self, error: Exception | None, *messages: Message) -> None:
        super().__init__(*messages)
        self._error = error

    async def send(self, message: Message) -> None:
        await super().send(message)
        if message["type"] != "websocket.accept" and self._error is not None:
            raise self._error


as_servers_do = pytest.mark.parametrize(
    "error", [None, OSError("gone"), RuntimeError("Unexpected ASGI message")], ids=["silent", "OSError", "RuntimeError"]
)


@as_servers_do
@with_and_without
async def test_send_after_the_peer_has_left(error: Exception | None, middleware: bool) -> None:
    """Outside an operation every send and receive says the same each time, closing says nothing, the server is left."""
    connection = Lost(error, gone(4001, reason="bye"))

    async def endpoint(websocket: WebSocket) -> None:
        ws = CancelableWebSocket(websocket)
        await ws.accept()
        await anyio.wait_all_tasks_blocked()
        for call in (lambda: ws.send_text("a"), lambda: ws.send_json(1), ws.receive_text, ws.receive_bytes) * 2:
            with pytest.raises(WebSocketDisconnect) as caught:
                await call()
            assert (caught.value.code, caught.value.reason) == (4001, "bye")
        await ws.close()
        await ws.close()
        assert (ws.close_code, ws.close_reason) == (4001, "bye")

    await run(connection, endpoint, middleware=middleware)
    assert connection.sent_types == ["websocket.accept"]


@pytest.mark.parametrize("code", [1005, 1006])
async def test_codes_that_say_nothing(code: int) -> None:
    """A lost connection is the same on all servers: 1006 in the exception, and no code that is known."""

    async def endpoint(websocket: WebSocket) -> None:
        ws = CancelableWebSocket(websocket)
        await ws.accept()
        with pytest.raises(WebSocketDisconnect) as caught:
            await ws.receive_text()
        assert caught.value.code == 1006
        assert (ws.close_code, ws.close_reason) == (None, None)

    await run(Connection(gone(code)), endpoint)


async def test_send_that_notices_first() -> None:
    """A send that fails before the close was read has its code all the same; frames before it can be received."""
    connection = Connection()
    send = connection.send

    async def fail(message: Message) -> None:
        await send(message)
        if message["type"] == "websocket.send":
            connection.push(text("one"), text("two"), gone(4001))
            raise OSError("gone")

    async def endpoint(websocket: WebSocket) -> None:
        ws = CancelableWebSocket(websocket)
        await ws.accept()
        with pytest.raises(WebSocketDisconnect) as caught:
            await ws.send_text("a")
        assert caught.value.code == 4001
        assert [each async for each in ws.iter_text()] == ["one", "two"]

    connection.send = fail  # type: ignore[method-assign]
    await run(connection, endpoint)


async def test_send_that_notices_first_in_an_operation() -> None:
    """The operation that such a send ends is told the code, too, though the error does not have it."""
    connection = Connection()
    send = connection.send

    async def fail(message: Message) -> None:
        await send(message)
        if message["type"] == "websocket.send":
            connection.push(gone(4001))
            raise OSError("gone")

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        with pytest.raises(DisconnectCancelation, match="close code 4001"):
            async with Cancelable() as cancel:
                ws = CancelableWebSocket(websocket, cancel)
                while True:
                    await ws.send_text("a")

    connection.send = fail  # type: ignore[method-assign]
    await run(connection, endpoint)


@as_servers_do
async def test_peer_leaves_during_a_send(error: Exception | None) -> None:
    """Whatever becomes of a send while the peer leaves, the operation ends, and outside of one the next call tells."""
    connection = Lost(error)
    send = connection.send

    async def slow(message: Message) -> None:
        if message["type"] == "websocket.send":
            connection.push(gone(4001))
            await anyio.wait_all_tasks_blocked()
        await send(message)

    async def endpoint(websocket: WebSocket) -> None:
        ws = CancelableWebSocket(websocket)
        await ws.accept()
        with pytest.raises(WebSocketDisconnect) as caught:
            await ws.send_text("a")
            await ws.send_text("b")
        assert caught.value.code == 4001
        await ws.close()

    connection.send = slow  # type: ignore[method-assign]
    await run(connection, endpoint)
    assert connection.sent_types == ["websocket.accept", "websocket.send"]


async def test_closing_a_lost_connection() -> None:
    """Closing says nothing of a peer that turns out to have gone."""
    connection = Lost(OSError("gone"))

    async def endpoint(websocket: WebSocket) -> None:
        ws = CancelableWebSocket(websocket)
        await ws.accept()
        await ws.close()

    await run(connection, endpoint)
    assert connection.sent_types == ["websocket.accept", "websocket.close"]


@pytest.mark.parametrize("given", [True, False], ids=["given", "current"])
@with_and_without
async def test_operation_ends_without_a_call(middleware: bool, given: bool) -> None:
    """The peer's leaving ends the operation while that does something else, with the code in the message."""
    cancel = Cancelable()

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        async with cancel:
            CancelableWebSocket(websocket, cancel if given else None)
            await anyio.sleep_forever()

    with anyio.fail_after(5):
        await run(Connection(gone(4001, reason="bye")), endpoint, middleware=middleware)
    assert cancel.context.cancel_reason is CancelationReason.DISCONNECT
    assert cancel.context.cancel_message == "the client has left (close code 4001: bye)"


@as_servers_do
@with_and_without
async def test_loop_that_only_sends(error: Exception | None, middleware: bool) -> None:
    """A loop that never receives ends with DISCONNECT, and with nothing else, on whichever server."""
    connection, cancel = Lost(None), Cancelable()

    async def endpoint(websocket: WebSocket) -> None:
        ws = CancelableWebSocket(websocket, cancel)
        await ws.accept()
        with pytest.raises(DisconnectCancelation):
            async with cancel:
                for number in range(1000):
                    await ws.send_json(number)
                    if number == 10:
                        connection.push(gone(4001))
                        connection._error = error
        assert ws.close_code in (4001, None)

    await run(connection, endpoint, middleware=middleware)
    assert cancel.context.cancel_reason is CancelationReason.DISCONNECT
    assert len(connection.sent) < 100


@with_and_without
async def test_iteration_in_an_operation(middleware: bool) -> None:
    """Inside an operation iteration does not end as if all were well: the operation does."""
    received: list[str] = []

    async def endpoint(websocket: WebSocket) -> None:
        with pytest.raises(DisconnectCancelation, match="close code 1001"):
            async with Cancelable() as cancel:
                ws = CancelableWebSocket(websocket)
                await ws.accept()
                async with Cancelable.with_timeout(5) as inner:
                    async for each in ws.iter_text():
                        received.append(each)
                        await anyio.sleep(0.01)
        assert cancel.context.cancel_reason is CancelationReason.DISCONNECT
        assert inner.context.cancel_reason is CancelationReason.PARENT
        received.extend([each async for each in ws.iter_text()])

    await run(Connection(text("one"), text("two"), gone(1001)), endpoint, middleware=middleware)
    assert received == ["one", "two"]


async def test_dependency_in_a_worker_thread_makes_it() -> None:
    """A plain function may make it: the peer's leaving ends the endpoint's operation."""
    app, connection, cancel = make_app(middleware=False), Connection(gone(4001)), Cancelable()

    def in_a_thread(websocket: WebSocket) -> CancelableWebSocket:
        return CancelableWebSocket(websocket)

    @app.websocket("/")
    async def endpoint(ws: CancelableWebSocket = Depends(in_a_thread)) -> None:  # noqa: B008
        async with cancel:
            await ws.accept()
            await anyio.sleep_forever()

    with anyio.fail_after(5):
        await connection.run_alone(app)
    assert cancel.context.cancel_reason is CancelationReason.DISCONNECT
