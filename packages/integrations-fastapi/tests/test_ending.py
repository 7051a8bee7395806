"""Rules R8 and R12: cancellation from outside, and what is left when a request has ended."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from starlette.requests import HTTPConnection
from starlette.types import Message, Receive, Scope, Send

from hother.cancelable import Cancelable
from hother.cancelable.integrations.fastapi import RequestCancelationMiddleware, get_request_token
from hother.cancelable.integrations.fastapi.monitor import SCOPE_KEY

from .hand_made import END, LEFT, NO_BODY, Channel, respond, wait_for_the_end


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
