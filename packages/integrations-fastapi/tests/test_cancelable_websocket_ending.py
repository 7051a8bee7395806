"""Calls on a `CancelableWebSocket` end with their operation, in whichever task they are made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from fastapi import WebSocket
from starlette.types import Message
from starlette.websockets import WebSocketDisconnect

from hother.cancelable import (
    Cancelable,
    CancelationReason,
    ManualCancelation,
    ParentCancelation,
    TimeoutCancelation,
)
from hother.cancelable.integrations.fastapi import CancelableWebSocket

from .hand_made import with_and_without
from .web_sockets import Connection, gone, run, text


class Stalled(Connection):
    """A connection whose server takes nothing once it was accepted, as when the peer does not read."""

    async def send(self, message: Message) -> None:
        if message["type"] != "websocket.accept":
            await anyio.sleep_forever()
        await super().send(message)


async def iterate(ws: CancelableWebSocket) -> None:
    """Iterate until the end, which never comes."""
    async for _ in ws.iter_json():
        pass


each_call = pytest.mark.parametrize(
    "call",
    [
        lambda ws: ws.receive_text(),
        lambda ws: ws.receive_bytes(),
        lambda ws: ws.receive_json(),
        iterate,
        lambda ws: ws.send_text("a"),
        lambda ws: ws.send_bytes(b"a"),
        lambda ws: ws.send_json(1),
    ],
    ids=["receive_text", "receive_bytes", "receive_json", "iterate", "send_text", "send_bytes", "send_json"],
)


@with_and_without
@each_call
@pytest.mark.virtual_time
async def test_parked_call_ends_with_its_timeout(call: Callable[[Any], Awaitable[None]], middleware: bool) -> None:
    """A call that waits for the peer is interrupted when time is up, and the block says so."""

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        with pytest.raises(TimeoutCancelation, match="not done within 2 s"):
            async with Cancelable.with_timeout(2) as cancel:
                await call(CancelableWebSocket(websocket, cancel))

    with anyio.fail_after(2.5):
        await run(Stalled(), endpoint, middleware=middleware)


@pytest.mark.parametrize("given", [True, False], ids=["given", "current"])
@pytest.mark.parametrize("receives", [True, False], ids=["receive", "send"])
async def test_parked_call_of_another_task_ends(given: bool, receives: bool) -> None:
    """A call in a task that the operation does not enclose ends with its reason, too."""
    errors: list[ManualCancelation] = []

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        cancel = Cancelable(name="talk")
        ws = CancelableWebSocket(websocket, cancel if given else None)

        async def beside() -> None:
            with pytest.raises(ManualCancelation, match=r"'talk' was cancelled.*enough") as caught:
                await (ws.receive_text() if receives else ws.send_text("never taken"))
            errors.append(caught.value)

        async with anyio.create_task_group() as group:
            with pytest.raises(ManualCancelation):
                async with cancel:
                    group.start_soon(beside)
                    await anyio.wait_all_tasks_blocked()
                    await cancel.cancel("enough")
                    await anyio.sleep_forever()

    await run(Stalled(), endpoint)
    assert len(errors) == 1


@pytest.mark.virtual_time
async def test_call_of_another_task_ends_with_the_timeout() -> None:
    """The deadline of an operation reaches a call in another task."""

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        cancel = Cancelable.with_timeout(2)
        ws = CancelableWebSocket(websocket, cancel)

        async def beside() -> None:
            with pytest.raises(TimeoutCancelation, match="not done within 2 s"):
                await ws.receive_text()

        async with anyio.create_task_group() as group:
            with pytest.raises(TimeoutCancelation):
                async with cancel:
                    group.start_soon(beside)
                    await anyio.sleep_forever()

    await run(Connection(), endpoint)


async def test_call_of_another_task_ends_with_a_scope_around_the_operation() -> None:
    """What ends the operation from outside ends the call, too, which says that it was the operation."""

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        cancel = Cancelable(name="talk")
        ws = CancelableWebSocket(websocket, cancel)

        async def beside() -> None:
            with pytest.raises(ParentCancelation):
                await ws.receive_text()

        async with anyio.create_task_group() as group:
            with anyio.CancelScope() as scope:
                async with cancel:
                    group.start_soon(beside)
                    await anyio.wait_all_tasks_blocked()
                    scope.cancel()
                    await anyio.sleep_forever()
            assert cancel.context.cancel_reason is CancelationReason.EXTERNAL

    await run(Connection(), endpoint)


@with_and_without
async def test_calls_of_tasks_inside_the_operation(middleware: bool) -> None:
    """Readers and writers in a task group inside the block end with it; one exception leaves, in no group."""

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        with pytest.raises(ManualCancelation, match="enough"):
            async with Cancelable() as cancel, anyio.create_task_group() as group:
                ws = CancelableWebSocket(websocket, cancel)
                group.start_soon(ws.receive_text)
                group.start_soon(ws.send_text, "never taken")
                await anyio.wait_all_tasks_blocked()
                await cancel.cancel("enough")

    await run(Stalled(), endpoint, middleware=middleware)


async def test_every_call_is_a_checkpoint() -> None:
    """Neither a flood of frames nor a server that takes all at once keeps an operation from ending."""
    connection = Connection(*[text("flood")] * 10)

    async def send_at_once(message: Message) -> None:
        connection.sent.append(message)

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        ws = CancelableWebSocket(websocket)
        for call in (ws.receive_text, lambda: ws.send_text("flood")):
            with pytest.raises(ManualCancelation):
                async with Cancelable() as cancel:
                    await cancel.cancel()
                    while True:
                        await call()

    connection.send = send_at_once  # type: ignore[method-assign]
    await run(connection, endpoint)
    assert connection.sent_types == ["websocket.accept"]


@with_and_without
async def test_peer_can_be_told_after_the_end(middleware: bool) -> None:
    """Once the block was left, what had come before can be received, and a last word and a close be sent."""
    connection, received = Connection(text("one"), text("two"), text("three")), list[str]()

    async def endpoint(websocket: WebSocket) -> None:
        ws = CancelableWebSocket(websocket, cancel := Cancelable())
        await ws.accept()
        with pytest.raises(ManualCancelation):
            async with cancel:
                received.append(await ws.receive_text())
                await cancel.cancel()
                received.append(await ws.receive_text())
        received.extend([await ws.receive_text(), await ws.receive_text()])
        await ws.send_text("sorry")
        await ws.close(1013)

    await run(connection, endpoint, middleware=middleware)
    assert received == ["one", "two", "three"]
    assert connection.sent_types == ["websocket.accept", "websocket.send", "websocket.close"]


@with_and_without
async def test_closing_is_done_in_an_operation_that_was_cancelled(middleware: bool) -> None:
    """A `finally` in the block may close the web socket, for which it need not be shielded."""
    connection = Connection()

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        with pytest.raises(ManualCancelation):
            async with Cancelable() as cancel:
                ws = CancelableWebSocket(websocket, cancel)
                try:
                    await cancel.cancel()
                    await ws.receive_text()
                finally:
                    await ws.close(1001)

    await run(connection, endpoint, middleware=middleware)
    assert connection.sent[-1] == {"type": "websocket.close", "code": 1001, "reason": ""}


@pytest.mark.virtual_time
async def test_closing_of_a_stalled_connection_ends() -> None:
    """A peer that does not read holds up the close of a cancelled operation for a second at most."""

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        with pytest.raises(TimeoutCancelation):
            async with Cancelable.with_timeout(2) as cancel:
                ws = CancelableWebSocket(websocket, cancel)
                try:
                    await ws.receive_text()
                finally:
                    await ws.close(1001)

    began = anyio.current_time()
    await run(Stalled(), endpoint)
    assert anyio.current_time() - began == pytest.approx(3)


async def test_operation_that_ended_stops_no_call() -> None:
    """Calls of an operation that has ended go on without it, also when it is cancelled later."""

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        async with Cancelable() as cancel:
            ws = CancelableWebSocket(websocket, cancel)
        assert not cancel.cancel_sync()
        assert await ws.receive_text() == "one"
        with pytest.raises(WebSocketDisconnect):
            await ws.receive_text()

    await run(Connection(text("one"), gone()), endpoint)
