"""The middleware with a `default_timeout`: what it takes, what it leaves alone, and what is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import math
import weakref
from datetime import timedelta
from typing import Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import Message, Receive, Scope, Send

from hother.cancelable import Cancelable, CancelationReason, TimeoutCancelation
from hother.cancelable.integrations.fastapi import RequestCancelationMiddleware
from hother.cancelable.integrations.fastapi.answers import STATUS_KEY
from hother.cancelable.integrations.fastapi.monitor import SCOPE_KEY

from .ended_requests import Clock, assert_timed_out, handle, wait
from .hand_made import END, NO_BODY, START, Channel, respond, wait_for_the_end

WRONG_VALUES = [0, 0.0, -1, -0.5, math.nan, timedelta(0), timedelta(seconds=-1)]
WRONG_TYPES: list[Any] = ["5", True, False, b"5", [1], object()]


@pytest.mark.parametrize("value", WRONG_VALUES, ids=repr)
@pytest.mark.parametrize("name", ["default_timeout", "grace"])
def test_times_that_are_none(name: str, value: Any) -> None:
    """A time that is zero, negative or NaN is an error at once, which names the argument and the value."""
    with pytest.raises(ValueError, match=f"{name} must be more than zero seconds, not "):
        RequestCancelationMiddleware(respond, **{name: value})


@pytest.mark.parametrize("value", WRONG_TYPES, ids=repr)
@pytest.mark.parametrize("name", ["default_timeout", "grace"])
def test_times_of_a_wrong_type(name: str, value: Any) -> None:
    """So is one that is no number and no `timedelta`."""
    with pytest.raises(TypeError, match=f"{name} must be a number of seconds or a timedelta, not "):
        RequestCancelationMiddleware(respond, **{name: value})


def test_grace_time_cannot_be_left_out() -> None:
    """There is always a grace time; who wants none takes a short one."""
    with pytest.raises(TypeError, match="grace must be a number of seconds or a timedelta, not None"):
        RequestCancelationMiddleware(respond, grace=None)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [object(), True, RequestCancelationMiddleware], ids=["object", "bool", "class"])
def test_wrong_shutdown(value: Any) -> None:
    """A `shutdown` that is none is an error at once."""
    with pytest.raises(TypeError, match="shutdown must be a GracefulShutdown, not "):
        RequestCancelationMiddleware(respond, shutdown=value)


@pytest.mark.virtual_time
@pytest.mark.parametrize("value", [2, 2.0, timedelta(seconds=2)], ids=repr)
async def test_kinds_of_times(value: float | timedelta) -> None:
    """Times are numbers of seconds, or a `timedelta`."""
    clock = Clock()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with Cancelable(move_on=True):
            await anyio.sleep_forever()
        await anyio.sleep_forever()

    assert_timed_out(await handle(app, default_timeout=value, grace=value))
    assert clock.now == 4


@pytest.mark.virtual_time
async def test_infinite_timeout() -> None:
    """A timeout of infinity is none."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await anyio.sleep(1_000)
        await respond(scope, receive, send)

    assert (await handle(app, default_timeout=math.inf)).sent == [START, END]


@pytest.mark.virtual_time
async def test_web_sockets_have_no_deadline() -> None:
    """A web socket lives as long as it likes."""
    channel = Channel({"type": "websocket.connect"}, kind="websocket")
    operation = Cancelable()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with operation:
            await send({"type": "websocket.accept"})
            await anyio.sleep(1_000)
            await send({"type": "websocket.close"})

    await RequestCancelationMiddleware(app, default_timeout=0.5)(channel.scope, channel.receive, channel.send)
    assert channel.sent_types == ["websocket.accept", "websocket.close"]
    assert operation.is_completed


@pytest.mark.virtual_time
@pytest.mark.parametrize("kind", ["lifespan", "other"])
async def test_other_protocols_have_no_deadline(kind: str) -> None:
    """The app's lifespan, and protocols that the middleware does not know, pass with their own channels."""
    channel, seen = Channel(kind=kind), list[Any]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend([scope, receive, send])
        await anyio.sleep(1_000)

    await RequestCancelationMiddleware(app, default_timeout=0.5)(channel.scope, channel.receive, channel.send)
    assert seen == [channel.scope, channel.receive, channel.send]
    assert SCOPE_KEY not in channel.scope


@pytest.mark.virtual_time
async def test_operation_with_a_timeout_of_its_own() -> None:
    """The timeout of an operation that is shorter is the app's own affair."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with Cancelable.with_timeout(0.25):
            await anyio.sleep_forever()

    clock = Clock()
    with pytest.raises(TimeoutCancelation):
        await handle(app, default_timeout=0.5)
    assert clock.now == 0.25


async def test_cancellation_from_outside_passes_the_deadline() -> None:
    """A cancellation by the server reaches the app and leaves through the middleware; no 504 is sent for it."""
    channel, operation = Channel(NO_BODY), Cancelable()
    middleware = RequestCancelationMiddleware(wait_in(operation), default_timeout=30)
    with anyio.CancelScope() as server:
        async with anyio.create_task_group() as group:
            group.start_soon(middleware, channel.scope, channel.receive, channel.send)
            await anyio.wait_all_tasks_blocked()
            server.cancel()
    assert server.cancelled_caught
    assert operation.is_cancelled
    assert not operation.cancel_requested
    assert channel.sent == []
    assert STATUS_KEY not in channel.scope


@pytest.mark.loops("asyncio", "eager", "uvloop")
@pytest.mark.parametrize("when", ["in time", "in the grace time"])
async def test_cancelled_task_of_the_server_with_a_deadline(when: str) -> None:
    """`task.cancel()`, as uvicorn does when its time is up, ends the request as cancelled, at any time."""
    channel, told = Channel(NO_BODY), anyio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if when == "in the grace time":
            async with Cancelable(move_on=True):
                await anyio.sleep_forever()
        told.set()
        await anyio.sleep_forever()

    middleware = RequestCancelationMiddleware(app, default_timeout=30 if when == "in time" else 0.02, grace=30)
    task = asyncio.create_task(middleware(channel.scope, channel.receive, channel.send))
    await told.wait()
    task.cancel("shutdown")
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()
    assert channel.sent == []


@pytest.mark.parametrize("outcome", ["in time", "too late", "cut off", "failed"])
async def test_nothing_is_left_of_a_deadline(outcome: str) -> None:
    """After the request no timer holds anything, and all memory is free without the garbage collector."""
    channel = Channel(NO_BODY)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if outcome == "failed":
            raise LookupError
        if outcome != "too late":
            await send(START)
        if outcome == "in time":
            await send(END)
        else:
            await wait_for_the_end(scope, receive, send)

    async def send(message: Message) -> None:
        await channel.send(message)

    middleware = RequestCancelationMiddleware(app, default_timeout=30 if outcome in ("in time", "failed") else 0.02)
    with contextlib.suppress(LookupError):
        await middleware(channel.scope, channel.receive, send)
    await anyio.wait_all_tasks_blocked()
    assert channel.scope[SCOPE_KEY].endings == ()
    monitor, server = weakref.ref(channel.scope[SCOPE_KEY]), weakref.ref(send)
    gc.disable()
    try:
        del send
        assert server() is None
        channel.scope.clear()
        assert monitor() is None
    finally:
        gc.enable()


async def test_app_is_not_held() -> None:
    """Nothing but the middleware holds the app, though deadlines that lie far ahead were set for its requests."""
    timers = RequestCancelationMiddleware(respond, default_timeout=3_600)
    channel = Channel(NO_BODY)
    await timers(channel.scope, channel.receive, channel.send)
    held = weakref.ref(timers)
    del timers
    await anyio.wait_all_tasks_blocked()
    gc.collect()
    assert held() is None


async def test_reason_of_the_deadline_is_recorded() -> None:
    """The record of an operation tells a timeout of the request from its own."""
    operation = Cancelable()
    assert_timed_out(await handle(wait_in(operation), default_timeout=0.02))
    assert operation.context.cancel_reason is CancelationReason.TIMEOUT
    assert operation.context.cancel_message == "not done within 0.02 s"


async def test_many_requests_at_once() -> None:
    """Each request has a deadline of its own."""
    ended = list[Channel]()

    async def one(timeout: float) -> None:
        ended.append(await handle(wait, default_timeout=timeout))

    async with anyio.create_task_group() as group:
        for number in range(20):
            group.start_soon(one, 0.01 + number / 1_000)
    for channel in ended:
        assert_timed_out(channel)
    assert len(ended) == 20


async def test_debugging_app() -> None:
    """The page with a traceback, that Starlette makes of exceptions in an app that is being debugged, gives way."""
    app = Starlette(debug=True, routes=[Mount("/", wait_for_the_end)])
    assert_timed_out(await handle(app, default_timeout=0.02, grace=30))


def wait_in(operation: Cancelable) -> Any:
    """Return an app that waits in an operation."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with operation:
            await anyio.sleep_forever()

    return app
