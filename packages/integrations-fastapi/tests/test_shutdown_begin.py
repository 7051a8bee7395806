"""Who begins the shutdown, from where, and when: explicit calls, the lifespan around them, and what is left."""

from __future__ import annotations

import asyncio
import gc
import math
import threading
import weakref
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import anyio
import pytest
from anyio import to_thread
from anyio.lowlevel import checkpoint
from starlette.types import Message, Receive, Scope, Send

from hother.cancelable import Cancelable, CancelationReason
from hother.cancelable.integrations.fastapi import GracefulShutdown, RequestCancelationMiddleware

from .ended_requests import Clock, assert_refused, wait
from .hand_made import NO_BODY, START, Channel, respond, wait_for_the_end


async def stream(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that begins its response, and waits in an operation."""
    await send(START)
    await wait_for_the_end(scope, receive, send)


def make(grace: float = 10) -> GracefulShutdown:
    """Return a shutdown that a middleware follows."""
    shutdown = GracefulShutdown(grace)
    RequestCancelationMiddleware(respond, shutdown=shutdown)
    return shutdown


async def serve(shutdown: GracefulShutdown, channel: Channel, app: Any = stream) -> None:
    """Handle a request."""
    await RequestCancelationMiddleware(app, shutdown=shutdown)(channel.scope, channel.receive, channel.send)


@pytest.mark.parametrize("value", [0, -1, math.nan, timedelta(0)], ids=repr)
def test_grace_times_that_are_none(value: Any) -> None:
    """A grace time that is zero, negative or NaN is an error at once."""
    with pytest.raises(ValueError, match="grace must be more than zero seconds, not "):
        GracefulShutdown(value)


@pytest.mark.parametrize("value", ["5", True, None, object()], ids=repr)
def test_grace_times_of_a_wrong_type(value: Any) -> None:
    """So is one that is no time span."""
    with pytest.raises(TypeError, match="grace must be a number of seconds or a timedelta, not "):
        GracefulShutdown(value)


@pytest.mark.virtual_time
@pytest.mark.parametrize("grace", [2, 2.0, timedelta(seconds=2)], ids=repr)
async def test_kinds_of_grace_times(grace: float | timedelta) -> None:
    """The grace time is a number of seconds or a `timedelta`."""
    shutdown, channel = GracefulShutdown(grace), Channel(NO_BODY)
    async with anyio.create_task_group() as group:
        group.start_soon(serve, shutdown, channel, wait)
        await anyio.wait_all_tasks_blocked()
        clock = Clock()
        shutdown.begin_shutdown()
    assert_refused(channel)
    assert clock.now == 2


@pytest.mark.virtual_time
async def test_grace_time_of_a_shutdown_is_ten_seconds() -> None:
    """Unless said otherwise requests have ten seconds."""
    shutdown, channel = GracefulShutdown(), Channel(NO_BODY)
    async with anyio.create_task_group() as group:
        group.start_soon(serve, shutdown, channel, wait)
        await anyio.wait_all_tasks_blocked()
        clock = Clock()
        shutdown.begin_shutdown()
    assert_refused(channel)
    assert clock.now == 10


async def test_first_call_wins() -> None:
    """The first call says so; what later ones say changes nothing."""
    shutdown = make()
    assert not shutdown.has_begun
    async with shutdown.lifespan():
        assert shutdown.begin_shutdown("deployment")
        assert not shutdown.begin_shutdown("another")
        assert shutdown.has_begun
    assert shutdown.token.reason is CancelationReason.SHUTDOWN
    assert shutdown.token.message == "deployment"


async def test_message_reaches_operations() -> None:
    """The message is in the record of each operation that ends."""
    shutdown, channel, operation = make(), Channel(NO_BODY), Cancelable()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        async with operation:
            await anyio.sleep_forever()

    async with shutdown.lifespan(), anyio.create_task_group() as group:
        group.start_soon(serve, shutdown, channel, app)
        await anyio.wait_all_tasks_blocked()
        shutdown.begin_shutdown("deployment")
    assert operation.context.cancel_message == "deployment"


async def test_token_is_for_the_apps_own_work() -> None:
    """The token ends what the app itself runs beside requests."""
    shutdown, operation = make(), Cancelable(move_on=True)

    async def work() -> None:
        async with operation.combine(Cancelable.with_token(shutdown.token)) as both:
            await anyio.sleep_forever()
        assert both.context.cancel_reason is CancelationReason.SHUTDOWN

    async with shutdown.lifespan(), anyio.create_task_group() as group:
        group.start_soon(work)
        await anyio.wait_all_tasks_blocked()
        shutdown.begin_shutdown()


@pytest.mark.parametrize("has_lifespan", [True, False], ids=["lifespan", "none"])
async def test_begun_in_a_thread(has_lifespan: bool) -> None:
    """A call from another thread reaches the loop, also where no lifespan has run: the first request is enough."""
    shutdown, channel = make(), Channel(NO_BODY)

    @asynccontextmanager
    async def life() -> AsyncGenerator[None]:
        if not has_lifespan:
            yield
            return
        async with shutdown.lifespan():
            yield

    async with life(), anyio.create_task_group() as group:
        group.start_soon(serve, shutdown, channel)
        await anyio.wait_all_tasks_blocked()
        assert await to_thread.run_sync(shutdown.begin_shutdown)
    assert channel.sent == [START]


async def test_begun_by_a_request() -> None:
    """An endpoint may begin the shutdown, and is among those that end."""
    shutdown, channel = make(), Channel(NO_BODY)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        async with Cancelable():
            assert shutdown.begin_shutdown()
            await anyio.sleep_forever()

    async with shutdown.lifespan():
        await serve(shutdown, channel, app)
    assert channel.sent == [START]


async def test_begun_before_anything() -> None:
    """Begun before there is a loop, requests are refused and no lifespan begins."""
    shutdown = make()
    assert await to_thread.run_sync(shutdown.begin_shutdown)
    channel = Channel(NO_BODY)
    await serve(shutdown, channel)
    assert_refused(channel)
    with pytest.raises(RuntimeError, match="this GracefulShutdown has begun before; make a new one"):
        async with shutdown.lifespan():
            raise AssertionError


def test_begun_where_no_loop_runs() -> None:
    """Beginning neither needs a loop nor minds one that has closed."""
    shutdown = make()

    async def life() -> None:
        async with shutdown.lifespan():
            pass
        await serve(shutdown, Channel(NO_BODY), respond)

    asyncio.run(life())
    assert shutdown.begin_shutdown()
    assert not shutdown.begin_shutdown()


async def test_begun_after_the_lifespan() -> None:
    """Begun when all is over, it says so to nobody."""
    shutdown = make()
    async with shutdown.lifespan():
        pass
    assert shutdown.begin_shutdown()
    await anyio.wait_all_tasks_blocked()
    assert shutdown._timer is None


@pytest.mark.parametrize("begun", ["in the lifespan", "at its end", "never"])
async def test_nothing_is_left_of_a_shutdown(begun: str) -> None:
    """Requests that have ended are not held; after the lifespan there is no timer, and all memory is free."""
    shutdown, channel = make(grace=3_600), Channel(NO_BODY)

    async def send(message: Message) -> None:
        await channel.send(message)

    middleware = RequestCancelationMiddleware(stream, shutdown=shutdown)
    async with shutdown.lifespan():
        async with anyio.create_task_group() as group:
            group.start_soon(middleware, channel.scope, channel.receive, send)
            await anyio.wait_all_tasks_blocked()
            assert len(shutdown._open) == 1
            if begun == "in the lifespan":
                shutdown.begin_shutdown()
            else:
                group.cancel_scope.cancel()
        assert shutdown._open == {}
        if begun == "at its end":
            shutdown.begin_shutdown()
    await anyio.wait_all_tasks_blocked()
    assert shutdown._timer is None
    held, server = weakref.ref(shutdown), weakref.ref(send)
    del shutdown, send, group, middleware
    gc.collect()
    assert server() is None
    assert held() is None


async def test_storm_of_requests_meanwhile() -> None:
    """Requests that begin and end while another thread begins the shutdown are all answered or refused."""
    shutdown, channels = make(), [Channel(NO_BODY) for _ in range(200)]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with Cancelable():
            await anyio.sleep(0.001)
        await respond(scope, receive, send)

    async with shutdown.lifespan(), anyio.create_task_group() as group:
        begin = threading.Thread(target=shutdown.begin_shutdown)
        for number, channel in enumerate(channels):
            group.start_soon(serve, shutdown, channel, app)
            await checkpoint()
            if number == 100:
                begin.start()
            elif number == 150:
                await to_thread.run_sync(begin.join)
    statuses = [channel.sent[0]["status"] for channel in channels]
    assert set(statuses[:100]) == {200}
    assert set(statuses[100:]) <= {200, 503}
    assert set(statuses[151:]) == {503}
    assert {len(channel.sent) for channel in channels} == {2}
