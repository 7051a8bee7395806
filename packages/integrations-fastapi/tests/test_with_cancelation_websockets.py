"""`with_cancelation` on endpoints of web sockets: they are closed with a code that says why."""

from typing import Any

import anyio
import pytest
from fastapi import WebSocket
from starlette.requests import HTTPConnection
from starlette.types import Message

from hother.cancelable import Cancelable, CancelationReason, ConditionCancelation, current_operation
from hother.cancelable.integrations.fastapi import add_cancelation_handlers, with_cancelation

from .hand_made import Channel, make_app, with_and_without

CONNECT: Message = {"type": "websocket.connect"}
LEFT: Message = {"type": "websocket.disconnect", "code": 4001, "reason": "bye"}
CODES: dict[CancelationReason, int] = {
    CancelationReason.TIMEOUT: 1008,
    CancelationReason.MANUAL: 1008,
    CancelationReason.SIGNAL: 1012,
    CancelationReason.SHUTDOWN: 1012,
    CancelationReason.CONDITION: 1011,
    CancelationReason.ERROR: 1011,
}
each_way = pytest.mark.parametrize("handlers", [False, True], ids=["decorator", "with handlers"])


def channel_of(endpoint: Any, *messages: Message, middleware: bool = False, handlers: bool = False) -> Any:
    """Return the channel of a web socket, and what to await to serve it."""
    app = make_app(middleware=middleware)
    app.websocket("/")(endpoint)
    if handlers:
        add_cancelation_handlers(app)
    channel = Channel(CONNECT, *messages, kind="websocket")
    return channel, lambda: channel.run_alone(app)


@with_and_without
@each_way
@pytest.mark.parametrize("accepted", [True, False], ids=["accepted", "before accept"])
@pytest.mark.parametrize("reason", CODES)
async def test_close_codes(reason: CancelationReason, accepted: bool, middleware: bool, handlers: bool) -> None:
    """Each reason has its code; before the accept the server makes a 403 of the same message."""

    @with_cancelation(timeout=60)
    async def endpoint(websocket: WebSocket) -> None:
        operation = current_operation()
        assert operation is not None
        assert operation.context.name == "WebSocket /"
        if accepted:
            await websocket.accept()
        await operation.cancel(reason, "a secret of the server")
        await anyio.sleep_forever()

    channel, serve = channel_of(endpoint, middleware=middleware, handlers=handlers)
    await serve()
    assert channel.sent_types == [*["websocket.accept"] * accepted, "websocket.close"]
    assert channel.sent[-1]["code"] == CODES[reason]
    assert "secret" not in channel.sent[-1]["reason"]
    assert channel.sent[-1]["reason"]


@pytest.mark.virtual_time
@with_and_without
async def test_timeout(middleware: bool) -> None:
    """The timeout of the decorator closes a web socket that waits for its peer."""

    @with_cancelation(timeout=3)
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.receive_text()

    channel, serve = channel_of(endpoint, middleware=middleware)
    await serve()
    assert anyio.current_time() >= 3
    assert channel.sent[-1] == {"type": "websocket.close", "code": 1008, "reason": "The request took too long"}


@with_and_without
async def test_operation_of_its_own(middleware: bool) -> None:
    """An operation that the endpoint has made counts as well."""

    @with_cancelation
    async def endpoint(websocket: WebSocket, connection: HTTPConnection) -> None:
        assert websocket is connection
        await websocket.accept()
        async with Cancelable() as mine:
            await mine.cancel(CancelationReason.SHUTDOWN)
            await anyio.sleep_forever()

    channel, serve = channel_of(endpoint, middleware=middleware)
    await serve()
    assert channel.sent[-1]["code"] == 1012


@with_and_without
@each_way
async def test_peer_leaves(middleware: bool, handlers: bool) -> None:
    """When the peer leaves the endpoint is interrupted, also one that never receives; nothing is sent any more."""
    operations, accepted = list[Any](), anyio.Event()

    @with_cancelation
    async def endpoint(websocket: WebSocket) -> None:
        operations.append(current_operation())
        await websocket.accept()
        accepted.set()
        await anyio.sleep_forever()

    channel, serve = channel_of(endpoint, middleware=middleware, handlers=handlers)
    async with anyio.create_task_group() as group:
        group.start_soon(serve)
        await accepted.wait()
        channel.push(LEFT)
    assert channel.sent_types == ["websocket.accept"]
    assert operations[0].context.cancel_reason is CancelationReason.DISCONNECT
    assert "4001" in operations[0].context.cancel_message


@with_and_without
@each_way
async def test_closed_by_the_endpoint(middleware: bool, handlers: bool) -> None:
    """A web socket that the endpoint has closed is not closed again when it is cancelled afterwards."""

    @with_cancelation
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close(1000)
        operation = current_operation()
        assert operation is not None
        await operation.cancel()
        await anyio.sleep_forever()

    channel, serve = channel_of(endpoint, middleware=middleware, handlers=handlers)
    await serve()
    assert channel.sent_types == ["websocket.accept", "websocket.close"]
    assert channel.sent[-1]["code"] == 1000


@with_and_without
@each_way
async def test_closed_by_the_peer(middleware: bool, handlers: bool) -> None:
    """Nor is one of which the endpoint has read that the peer left: some servers raise where something is sent then."""

    @with_cancelation
    async def endpoint(websocket: WebSocket) -> None:
        operation = current_operation()
        assert operation is not None
        async with operation.shield():
            await websocket.accept()
            assert (await websocket.receive())["type"] == "websocket.disconnect"
            raise ConditionCancelation

    channel, serve = channel_of(endpoint, LEFT, middleware=middleware, handlers=handlers)
    await serve()
    assert channel.sent_types == ["websocket.accept"]


@with_and_without
async def test_talk(middleware: bool) -> None:
    """A conversation takes place as without the decorator."""

    @with_cancelation
    async def endpoint(websocket: WebSocket, suffix: str = "!") -> None:
        await websocket.accept()
        await websocket.send_text(await websocket.receive_text() + suffix)
        await websocket.close()

    message: Message = {"type": "websocket.receive", "text": "hello"}
    channel, serve = channel_of(endpoint, message, middleware=middleware)
    await serve()
    assert channel.sent_types == ["websocket.accept", "websocket.send", "websocket.close"]
    assert channel.sent[1]["text"] == "hello!"
