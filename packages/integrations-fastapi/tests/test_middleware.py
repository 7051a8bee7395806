"""Rules R8 to R12: what passes through the middleware, in which task the app runs, and what is left afterwards."""

from __future__ import annotations

import asyncio
import gc
import weakref
from contextvars import ContextVar
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from starlette.requests import HTTPConnection
from starlette.types import Message, Receive, Scope, Send

from hother.cancelable import Cancelable, DisconnectCancelation
from hother.cancelable.integrations.fastapi import RequestCancelationMiddleware, get_request_token
from hother.cancelable.integrations.fastapi.monitor import SCOPE_KEY

from .hand_made import END, LEFT, NO_BODY, START, Channel

variable: ContextVar[str] = ContextVar("variable", default="outside")


async def wait_for_the_end(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that waits in an operation."""
    async with Cancelable():
        await anyio.sleep_forever()


async def respond(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that responds."""
    await send(START)
    await send(END)


@pytest.mark.parametrize("kind", ["lifespan", "something new"])
async def test_other_protocols_pass(kind: str) -> None:
    """Scopes of other kinds reach the app untouched, with the server's own functions."""
    channel, seen = Channel(kind=kind), list[Any]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend([scope, receive, send])

    before = dict(channel.scope)
    receive, send = channel.receive, channel.send
    await RequestCancelationMiddleware(app)(channel.scope, receive, send)
    assert seen[0] is channel.scope
    assert seen[0] == before
    assert seen[1:] == [receive, send]


async def test_scope_gets_one_key() -> None:
    """The app sees the server's own scope, with one key more."""
    channel = Channel(NO_BODY)
    before = dict(channel.scope)
    await channel.run(respond)
    monitor = channel.scope.pop(SCOPE_KEY)
    assert monitor is not None
    assert channel.scope == before


async def test_app_runs_in_the_task_of_the_server() -> None:
    """The app runs in the caller's task and context, whether it is watched or not."""
    tasks: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with Cancelable():
            await checkpoint()
        tasks.append(anyio.get_current_task().id)
        variable.set("inside")

    await Channel(NO_BODY).run(app)
    assert tasks == [anyio.get_current_task().id]
    assert variable.get() == "inside"


@pytest.mark.parametrize(
    "error", [LookupError("plain"), ExceptionGroup("group", [LookupError()])], ids=["plain", "group"]
)
async def test_exceptions_leave_as_they_are(error: Exception) -> None:
    """What the app raises leaves the middleware itself, not wrapped in a group, also when it is watched."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with Cancelable():
            await checkpoint()
        raise error

    with pytest.raises(type(error)) as caught:
        await Channel(NO_BODY).run(app)
    assert caught.value is error


async def test_group_of_disconnects_is_swallowed() -> None:
    """A group that holds nothing but the exceptions of operations that ended with the client is swallowed, too."""
    channel = Channel(NO_BODY)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with anyio.create_task_group() as group:
            for _ in range(2):
                group.start_soon(wait_for_the_end, scope, receive, send)

    async with channel.running(app):
        channel.push(LEFT)


async def test_other_errors_survive_in_a_group() -> None:
    """A group that holds anything else leaves the middleware whole."""
    channel, raised = Channel(NO_BODY), list[BaseException]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await wait_for_the_end(scope, receive, send)
        except DisconnectCancelation as error:
            raised.append(ExceptionGroup("both", [error, LookupError()]))
            raise raised[0] from None

    channel.push(LEFT)
    with pytest.raises(ExceptionGroup) as caught:
        await channel.run(app)
    assert caught.value is raised[0]


async def test_cancellation_from_outside_passes() -> None:
    """A cancellation by the server reaches the app and leaves through the middleware."""
    channel, operation = Channel(NO_BODY), Cancelable()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with operation:
            await anyio.sleep_forever()

    with anyio.CancelScope() as server:
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.wait_all_tasks_blocked)
            server.cancel()
            await channel.run(app)
    assert server.cancelled_caught
    assert operation.is_cancelled
    assert not operation.cancel_requested
    assert channel.in_flight == 0


@pytest.mark.loops("asyncio", "eager", "uvloop")
async def test_cancelled_task_of_the_server() -> None:
    """`task.cancel()`, as uvicorn does when its time is up, ends the request as cancelled."""
    channel = Channel(NO_BODY)
    task = asyncio.create_task(channel.run(wait_for_the_end))
    await anyio.wait_all_tasks_blocked()
    assert channel.in_flight == 1
    task.cancel("shutdown")
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()
    assert channel.in_flight == 0


class SlowToStop(Channel):
    """A server whose `receive()` takes a while to give up."""

    stopping = False

    async def receive(self) -> Message:
        try:
            return await super().receive()
        except anyio.get_cancelled_exc_class():
            self.stopping = True
            self.in_flight += 1
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.05)
            self.in_flight -= 1
            raise

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An app that ends as soon as it is watched."""
        async with Cancelable():
            while self.in_flight == 0:
                await checkpoint()


async def test_watch_has_ended_when_the_middleware_returns() -> None:
    """The middleware waits for its watch to end, also where the server's `receive()` takes a while to give up."""
    channel = SlowToStop()
    await channel.run(channel.app)
    assert channel.stopping
    assert channel.in_flight == 0


async def test_cancellation_while_the_watch_ends() -> None:
    """A cancellation while the middleware waits for its watch neither gets lost nor leaves the watch behind."""
    channel = SlowToStop()
    async with anyio.create_task_group() as group:
        group.start_soon(channel.run, channel.app)
        while not channel.stopping:
            await checkpoint()
        group.cancel_scope.cancel()
    assert channel.in_flight == 0


@pytest.mark.loops("asyncio", "eager", "uvloop")
async def test_native_cancellation_while_the_watch_ends() -> None:
    """So does `task.cancel()` at that moment."""
    channel = SlowToStop()
    task = asyncio.create_task(channel.run(channel.app))
    while not channel.stopping:
        await checkpoint()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert channel.in_flight == 0


async def test_nested_middleware_adds_nothing() -> None:
    """Two middlewares around the same request make one monitor, and both routes to it give the same token."""
    channel, monitors = Channel(NO_BODY), list[Any]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        monitors.append(scope[SCOPE_KEY])
        assert receive == monitors[0].receive
        assert send == monitors[0].send
        await wait_for_the_end(scope, receive, send)

    async def outside(scope: Scope, receive: Receive, send: Send) -> None:
        monitors.append(scope[SCOPE_KEY])
        await RequestCancelationMiddleware(app)(scope, receive, send)

    async with channel.running(outside):
        assert channel.in_flight == 1
        channel.push(LEFT)
    assert monitors[0] is monitors[1]
    assert channel.most_in_flight == 1


async def test_scope_may_be_used_again() -> None:
    """A scope that a server or a test uses for another request is monitored again."""
    channel = Channel(NO_BODY)
    await channel.run(respond)
    channel.push(NO_BODY)
    async with channel.running(wait_for_the_end):
        channel.push(LEFT)


async def test_unwatched_request_starts_no_task() -> None:
    """Where nobody asks for the token, the server's `receive()` is not called and no task runs."""
    channel = Channel(NO_BODY)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await anyio.wait_all_tasks_blocked()
        assert channel.in_flight == channel.delivered == 0
        await respond(scope, receive, send)

    await channel.run(app)


@pytest.mark.parametrize("watched", [True, False], ids=["watched", "unwatched"])
async def test_nothing_is_left_in_memory(watched: bool) -> None:
    """After the request nothing refers to the server's side, and its memory is free without the garbage collector."""
    channel = Channel(NO_BODY)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if watched:
            async with Cancelable():
                await checkpoint()
        await respond(scope, receive, send)

    async def receive() -> Message:
        return await channel.receive()

    async def send(message: Message) -> None:
        await channel.send(message)

    await RequestCancelationMiddleware(app)(channel.scope, receive, send)
    await anyio.wait_all_tasks_blocked()
    monitor, server = weakref.ref(channel.scope[SCOPE_KEY]), weakref.ref(receive)
    gc.disable()
    try:
        del receive, send
        assert server() is None
        channel.scope.clear()
        assert monitor() is None
    finally:
        gc.enable()


async def test_channel_of_a_finished_request() -> None:
    """Who goes on reading after the app has returned hears of the end, and who goes on sending gets a clear error."""
    kept: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        kept.extend([scope, receive, send])

    await Channel(NO_BODY).run(app)
    scope, receive, send = kept
    assert await receive() == LEFT
    with pytest.raises(RuntimeError, match="the app has returned"):
        await send(END)
    assert not get_request_token(HTTPConnection(scope)).is_cancelled
