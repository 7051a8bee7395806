"""Rules R1 to R4 and R7: who reads, how far ahead, and what the app gets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from hother.cancelable import Cancelable, CancelationReason, DisconnectCancelation
from hother.cancelable.integrations.fastapi import RequestCancelationMiddleware
from hother.cancelable.integrations.fastapi.monitor import BACKOFF, SCOPE_KEY

from .hand_made import END, LEFT, NO_BODY, START, Channel, piece, read, wait_for_the_end

EXPECT = [(b"host", b"test"), (b"expect", b"100-continue")]


async def test_only_one_receive_is_in_flight() -> None:
    """Several readers in the app and the watch together never make the server receive twice at a time."""
    found: list[bytes] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def read() -> None:
            found.append((await receive())["body"])

        async with Cancelable(), anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(read)

    channel = Channel()
    async with channel.running(app):
        for body in (b"one", b"two", b"three"):
            channel.push(piece(body))
            await anyio.wait_all_tasks_blocked()
    assert channel.most_in_flight == 1
    assert sorted(found) == [b"one", b"three", b"two"]


class NoCoroutine:
    """What `receive()` returns on granian: awaitable, but no coroutine."""

    def __init__(self, function: Callable[[], Awaitable[Message]]) -> None:
        self._function = function

    def __await__(self) -> Generator[Any, Any, Message]:
        return self._function().__await__()


async def test_receive_need_not_be_a_coroutine_function() -> None:
    """The watch and the app can read from a server whose `receive()` returns any awaitable."""
    channel = Channel(piece(b"body", more=False))
    bodies: list[bytes] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        bodies.append((await receive())["body"])
        await wait_for_the_end(scope, receive, send)

    async with anyio.create_task_group() as group:
        middleware = RequestCancelationMiddleware(app)
        group.start_soon(middleware, channel.scope, lambda: NoCoroutine(channel.receive), channel.send)
        await anyio.wait_all_tasks_blocked()
        channel.push(LEFT)
    assert bodies == [b"body"]


async def test_no_more_than_one_message_is_read_ahead() -> None:
    """While the body is incomplete, the watch keeps one message for the app and leaves the rest with the server."""
    channel = Channel(piece(b"one"), piece(b"two"), piece(b"three"))
    go_on = anyio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with Cancelable():
            await go_on.wait()
            assert (await receive())["body"] == b"one"
            await anyio.sleep_forever()

    async with channel.running(app) as handling:
        assert channel.delivered == 1
        go_on.set()
        await anyio.wait_all_tasks_blocked()
        assert channel.delivered == 2
        channel.push(LEFT)
        await anyio.wait_all_tasks_blocked()
        assert channel.delivered == 2  # that the client left stands behind the body, so nobody can see it yet
        handling.cancel()


async def test_the_end_is_seen_by_who_never_reads() -> None:
    """Past the last message of a body the watch goes on, so an app that never reads stops when its client leaves."""
    channel = Channel(NO_BODY)
    async with channel.running(wait_for_the_end):
        assert channel.in_flight == 1
        channel.push(LEFT)
    assert channel.sent == []


async def test_expected_body_is_not_asked_for() -> None:
    """While the client waits for "100 Continue", only the app makes the server ask for the body."""
    channel = Channel(headers=EXPECT)
    read = anyio.Event()
    bodies: list[bytes] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with Cancelable():
            assert not await Request(scope, receive).is_disconnected()
            await read.wait()
            bodies.append((await receive())["body"])
            await anyio.sleep_forever()

    async with channel.running(app):
        assert channel.in_flight == 0
        read.set()
        await anyio.wait_all_tasks_blocked()
        assert channel.in_flight == 1
        channel.push(piece(b"body", more=False))
        await anyio.wait_all_tasks_blocked()
        channel.push(LEFT)
    assert bodies == [b"body"]


async def test_kept_message_comes_before_the_end() -> None:
    """The app gets the message that was read ahead first, and then that the client has left."""
    channel = Channel(piece(b"body", more=False), LEFT)
    got: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        with pytest.raises(DisconnectCancelation):
            await wait_for_the_end(scope, receive, send)
        got.extend([(await receive())["type"] for _ in range(3)])

    await channel.run(app)
    assert got == ["http.request", "http.disconnect", "http.disconnect"]
    assert channel.delivered == 2


async def test_error_of_the_server_reaches_the_app() -> None:
    """What the server's `receive()` raises is raised where the app reads, and is not taken for the client leaving."""
    error = ConnectionError("broken")
    channel = Channel(error)
    caught: list[BaseException] = []
    operation = Cancelable()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with operation:
            await anyio.wait_all_tasks_blocked()
            try:
                await receive()
            except ConnectionError as raised:
                caught.append(raised)
        await send(START)
        await send(END)

    await channel.run(app)
    assert caught == [error]
    assert operation.is_completed
    assert not operation.cancel_requested


@pytest.mark.virtual_time
async def test_server_that_never_stops_is_left_alone() -> None:
    """A server that sends empty messages after the body for ever is asked once in a while, not in a busy loop."""
    channel = Channel(*[NO_BODY] * 100)
    async with channel.running(wait_for_the_end):
        await anyio.sleep(10 * BACKOFF)
        assert channel.delivered < 15
        channel._coming.clear()
        channel.push(LEFT)


async def test_end_that_the_app_reads_itself_counts() -> None:
    """Where the app was reading before anybody asked for the token, its reading is the watch."""
    channel = Channel(NO_BODY)
    operation = Cancelable()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        async with anyio.create_task_group() as group:
            group.start_soon(read, receive)
            await anyio.wait_all_tasks_blocked()
            async with operation:
                await anyio.sleep_forever()

    async with channel.running(app):
        channel.push(LEFT)
    assert channel.most_in_flight == 1
    assert operation.context.cancel_reason is CancelationReason.DISCONNECT


async def test_token_that_is_asked_for_too_late() -> None:
    """An operation entered after the app itself has read of the end is interrupted at once."""
    channel, operation = Channel(NO_BODY, LEFT), Cancelable()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        assert await receive() == LEFT
        async with operation:
            await anyio.sleep_forever()

    await channel.run(app)
    assert operation.context.cancel_reason is CancelationReason.DISCONNECT


async def test_operation_that_reads_ends_for_its_own_reason() -> None:
    """An operation that is reading the body when the client leaves ends with DISCONNECT, not with Starlette's error."""
    for before in ((), (piece(b"one"),)):
        channel = Channel(*before)
        operation = Cancelable()

        async def app(scope: Scope, receive: Receive, send: Send, operation: Cancelable = operation) -> None:
            async with operation:
                await Request(scope, receive).body()

        async with channel.running(app):
            channel.push(LEFT)
        assert operation.context.cancel_reason is CancelationReason.DISCONNECT
        assert operation.is_cancelled


@pytest.mark.parametrize("nested", [False, True])
async def test_interruption_comes_before_the_end(nested: bool) -> None:
    """In an operation that was told to stop but has not noticed yet, reading is where it notices."""
    channel, operation = Channel(), Cancelable()

    async def read_body(scope: Scope, receive: Receive) -> None:
        with anyio.CancelScope(shield=True):
            while not scope[SCOPE_KEY].left:
                await checkpoint()
        await Request(scope, receive).body()  # Starlette raises ClientDisconnect where it is told of the end

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with operation:
            if nested:
                async with Cancelable():
                    await read_body(scope, receive)
            await read_body(scope, receive)

    channel.push(LEFT)
    await channel.run(app)
    assert operation.is_cancelled
    assert operation.context.cancel_reason is CancelationReason.DISCONNECT
