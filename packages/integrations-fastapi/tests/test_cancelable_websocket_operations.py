"""Which operation the peer of a `CancelableWebSocket` ends, and which ones it must not."""

from __future__ import annotations

import gc
import weakref
from functools import partial

import anyio
import pytest
from fastapi import WebSocket
from starlette.websockets import WebSocketDisconnect

from hother.cancelable import Cancelable, CancelationReason, DisconnectCancelation, current_operation
from hother.cancelable.core import has_listeners
from hother.cancelable.integrations.fastapi import CancelableWebSocket

from .hand_made import with_and_without
from .web_sockets import Connection, gone, run, text


@with_and_without
async def test_operation_that_is_entered_later(middleware: bool) -> None:
    """An operation that the endpoint enters after having made it is ended from its first call on."""
    connection, cancel = Connection(), Cancelable()

    async def endpoint(websocket: WebSocket) -> None:
        ws = CancelableWebSocket(websocket)
        await ws.accept()
        async with cancel:
            await ws.send_text("a")
            connection.push(gone(4001))
            await anyio.sleep_forever()

    with anyio.fail_after(5):
        await run(connection, endpoint, middleware=middleware)
    assert cancel.context.cancel_reason is CancelationReason.DISCONNECT


@with_and_without
async def test_outermost_operation_of_the_endpoint(middleware: bool) -> None:
    """Of operations inside each other the outermost is ended, with the middleware and without."""
    connection, outer, inner = Connection(gone(4001)), Cancelable(), Cancelable()

    async def endpoint(websocket: WebSocket) -> None:
        async with outer, inner:
            ws = CancelableWebSocket(websocket)
            await ws.accept()
            await anyio.sleep_forever()

    with anyio.fail_after(5):
        await run(connection, endpoint, middleware=middleware)
    assert outer.context.cancel_reason is CancelationReason.DISCONNECT
    assert inner.context.cancel_reason is CancelationReason.PARENT


@with_and_without
async def test_operations_one_after_the_other(middleware: bool) -> None:
    """Of many operations of one web socket only the running one is kept and ended."""
    connection, last = Connection(), Cancelable()
    ended: list[weakref.ref[Cancelable]] = []

    async def endpoint(websocket: WebSocket) -> None:
        ws = CancelableWebSocket(websocket)
        await ws.accept()
        for _ in range(5):
            async with Cancelable() as cancel:
                await ws.send_text("a")
                ended.append(weakref.ref(cancel))
            del cancel
        async with last:
            await ws.send_text("b")
            gc.collect()
            assert [each() for each in ended] == [None] * 5
            connection.push(gone(4001))
            await anyio.sleep_forever()

    with anyio.fail_after(5):
        await run(connection, endpoint, middleware=middleware)
    assert last.context.cancel_reason is CancelationReason.DISCONNECT


@with_and_without
async def test_given_operation_of_another_task(middleware: bool) -> None:
    """An operation that was made and entered elsewhere ends with the peer if it was given."""
    connection, cancel = Connection(), Cancelable()

    async def endpoint(websocket: WebSocket) -> None:
        ws = CancelableWebSocket(websocket, cancel)
        await ws.accept()
        with pytest.raises(DisconnectCancelation, match="close code 4001"):
            await ws.receive_text()

    async def elsewhere() -> None:
        with pytest.raises(DisconnectCancelation, match="close code 4001"):
            async with cancel:
                await anyio.sleep_forever()

    async with anyio.create_task_group() as group:
        group.start_soon(elsewhere)
        await anyio.wait_all_tasks_blocked()
        group.start_soon(lambda: run(connection, endpoint, middleware=middleware))
        await anyio.wait_all_tasks_blocked()
        connection.push(gone(4001))


@with_and_without
async def test_given_operation_whose_peer_left_before(middleware: bool) -> None:
    """An operation that is given when the peer has left is interrupted at once."""

    async def endpoint(websocket: WebSocket) -> None:
        ws = CancelableWebSocket(websocket)
        await ws.accept()
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(DisconnectCancelation, match="close code 4001"):
            async with Cancelable(detached=True) as cancel:
                CancelableWebSocket(websocket, cancel)
                await anyio.sleep_forever()

    with anyio.fail_after(5):
        await run(Connection(gone(4001)), endpoint, middleware=middleware)


@with_and_without
async def test_long_lived_operation_keeps_nothing(middleware: bool) -> None:
    """A web socket that has gone leaves nothing on an operation that outlives it, given or entered around it."""
    kept: list[weakref.ref[object]] = []

    async def endpoint(websocket: WebSocket) -> None:
        ws = CancelableWebSocket(websocket, cancel)
        await ws.accept()
        kept.extend([weakref.ref(ws), weakref.ref(websocket)])
        assert await ws.receive_text() == "one"
        await ws.close()

    async with Cancelable(detached=True) as cancel:
        before = dict(cancel.token._listeners)
        for _ in range(5):
            await run(Connection(text("one")), endpoint, middleware=middleware)
        assert cancel.token._listeners == before
        gc.collect()
        assert [each() for each in kept] == [None] * 10
    assert not has_listeners(cancel.token)


@with_and_without
async def test_sender_to_many_goes_on(middleware: bool) -> None:
    """An operation of another task that sends to many web sockets is not ended by one of their peers."""
    connections = [Connection(), Connection()]
    room: list[CancelableWebSocket] = []
    gone_from: list[int] = []

    async def endpoint(websocket: WebSocket) -> None:
        ws = CancelableWebSocket(websocket)
        await ws.accept()
        room.append(ws)
        async for _ in ws.iter_text():
            pass

    async with anyio.create_task_group() as group:
        for each in connections:
            group.start_soon(partial(run, each, endpoint, middleware=middleware))
        await anyio.wait_all_tasks_blocked()
        async with Cancelable(name="news") as cancel:
            for turn in range(3):
                for number, ws in enumerate(room):
                    try:
                        await ws.send_text(str(turn))
                    except WebSocketDisconnect:
                        gone_from.append(number)
                if turn == 0:
                    connections[0].push(gone(1001))
                    await anyio.wait_all_tasks_blocked()
        assert cancel.is_completed
        assert not cancel.cancel_requested
        connections[1].push(gone())
    assert len(gone_from) == 2
    assert sorted(len(each.sent) for each in connections) == [2, 4]


@with_and_without
async def test_operation_of_the_server_goes_on(middleware: bool) -> None:
    """An operation around the whole server is not ended by a peer; but it ends the calls when it ends."""
    first, second = Connection(text("one")), Connection()
    happened, has_gone = list[str](), anyio.Event()

    async def endpoint(websocket: WebSocket) -> None:
        assert current_operation() is server
        ws = CancelableWebSocket(websocket)
        await ws.accept()
        try:
            while True:
                await ws.receive_text()
        except WebSocketDisconnect:
            happened.append("gone")
            has_gone.set()
        except BaseException:
            happened.append("interrupted")
            raise

    async with Cancelable(name="server", move_on=True) as server, anyio.create_task_group() as group:
        for each in (first, second):
            group.start_soon(partial(run, each, endpoint, middleware=middleware))
        await anyio.wait_all_tasks_blocked()
        first.push(gone(1001))
        await has_gone.wait()
        assert happened == ["gone"]
        assert not server.cancel_requested
        await server.cancel()
    assert happened == ["gone", "interrupted"]
    assert server.is_cancelled


@with_and_without
async def test_loop_of_another_task_does_not_outlive_the_operation(middleware: bool) -> None:
    """Where the operation ends between two calls of another task, the next call raises its reason."""

    async def endpoint(websocket: WebSocket) -> None:
        cancel, ended = Cancelable(), anyio.Event()
        ws = CancelableWebSocket(websocket, cancel)
        await ws.accept()

        async def beside() -> None:
            await ws.send_text("a")
            await ended.wait()
            for call in (ws.receive_text, lambda: ws.send_text("b")):
                with pytest.raises(DisconnectCancelation, match="enough"):
                    await call()

        async with anyio.create_task_group() as group:
            with pytest.raises(DisconnectCancelation):
                async with cancel:
                    group.start_soon(beside)
                    await anyio.wait_all_tasks_blocked()
                    await cancel.cancel(CancelationReason.DISCONNECT, "enough")
                    await anyio.sleep_forever()
            ended.set()
        await ws.send_text("bye")

    connection = Connection()
    await run(connection, endpoint, middleware=middleware)
    assert [message.get("text") for message in connection.sent] == [None, "a", "bye"]


async def test_sends_of_two_tasks() -> None:
    """Tasks may send at the same time, while a third one receives."""
    connection = Connection()

    async def endpoint(websocket: WebSocket) -> None:
        async with Cancelable() as cancel, anyio.create_task_group() as group:
            ws = CancelableWebSocket(websocket, cancel)
            await ws.accept()
            group.start_soon(ws.receive_text)
            for each in ("a", "b"):
                group.start_soon(ws.send_text, each)
            await anyio.wait_all_tasks_blocked()
            connection.push(text("end"))

    await run(connection, endpoint)
    assert sorted(message["text"] for message in connection.sent[1:]) == ["a", "b"]
