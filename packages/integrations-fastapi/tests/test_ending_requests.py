"""A request whose time is up: its operations end first, then all of it, and the client gets one 504."""

from __future__ import annotations

import asyncio
import time

import anyio
import pytest
from starlette.types import Message, Receive, Scope, Send

from hother.cancelable import Cancelable, CancelationReason, TimeoutCancelation
from hother.cancelable.core import OperationOptions

from .ended_requests import Clock, assert_timed_out, handle, wait
from .hand_made import END, LEFT, NO_BODY, START, Channel, piece


async def test_request_without_operations() -> None:
    """It is cancelled as soon as its time is up, and the client gets one 504."""
    assert_timed_out(await handle(wait, default_timeout=0.02))


async def test_operation_ends_with_its_reason() -> None:
    """An operation ends with the reason TIMEOUT, says how long the request had, and leaves as an exception."""
    operation, caught = Cancelable(), list[TimeoutCancelation]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with operation:
                await anyio.sleep_forever()
        except TimeoutCancelation as error:
            caught.append(error)
            raise

    assert_timed_out(await handle(app, default_timeout=0.02))
    assert operation.context.cancel_reason is CancelationReason.TIMEOUT
    assert caught[0].message == "not done within 0.02 s"


@pytest.mark.virtual_time
async def test_several_operations() -> None:
    """Operations in a row, one in another and one in a task of its own all end; a detached one is left alone."""
    first, outer, inner, beside = Cancelable(), Cancelable(), Cancelable(), Cancelable()
    detached = Cancelable(detached=True)

    async def hold(operation: Cancelable) -> None:
        async with operation:
            await anyio.sleep_forever()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with first:
            await anyio.sleep(0.1)
        async with anyio.create_task_group() as group:
            group.start_soon(hold, beside)
            async with detached:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(0.6)
            async with outer, inner:
                await anyio.sleep_forever()

    assert_timed_out(await handle(app, default_timeout=0.5))
    assert first.is_completed
    assert beside.context.cancel_reason is CancelationReason.TIMEOUT
    assert detached.is_completed
    assert not detached.cancel_requested
    assert outer.is_cancelled
    assert inner.is_cancelled


@pytest.mark.virtual_time
async def test_operation_that_is_entered_too_late() -> None:
    """An operation that is entered when the time is up already ends at its first checkpoint, for the same reason."""
    late = Cancelable()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with Cancelable(move_on=True):
            await anyio.sleep_forever()
        async with late:
            await anyio.sleep(0.1)

    assert_timed_out(await handle(app, default_timeout=1))
    assert late.context.cancel_reason is CancelationReason.TIMEOUT


@pytest.mark.virtual_time
@pytest.mark.parametrize("grace", [0.25, 2])
async def test_operation_that_swallows(grace: float) -> None:
    """Who takes no notice of its own cancelled operations is cancelled as a whole when the grace time is over."""
    clock = Clock()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with Cancelable(move_on=True):
            await anyio.sleep_forever()
        await anyio.sleep_forever()

    assert_timed_out(await handle(app, default_timeout=0.5, grace=grace))
    assert clock.now == 0.5 + grace


@pytest.mark.virtual_time
async def test_grace_time_is_one_second() -> None:
    """Unless said otherwise the grace time is one second."""
    clock = Clock()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with Cancelable(move_on=True):
            await anyio.sleep_forever()
        await anyio.sleep_forever()

    await handle(app, default_timeout=1)
    assert clock.now == 2


@pytest.mark.virtual_time
async def test_shielded_operation() -> None:
    """A shield is respected: the answer comes when it ends, long after the grace time."""
    clock = Clock()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with Cancelable():
            with anyio.CancelScope(shield=True):
                await anyio.sleep(5)
            await anyio.sleep_forever()

    assert_timed_out(await handle(app, default_timeout=0.5, grace=0.5))
    assert clock.now == 5


@pytest.mark.virtual_time
@pytest.mark.parametrize("has_operation", [True, False])
async def test_clean_up(has_operation: bool) -> None:
    """Clean-up that awaits completes within the grace time where an operation runs; nothing waits for others."""
    steps, clock = list[str](), Clock()
    options: OperationOptions = {} if has_operation else {"detached": True}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with Cancelable(**options):
                await anyio.sleep_forever()
        finally:
            steps.append("began")
            await anyio.sleep(0.2)
            steps.append("completed")

    assert_timed_out(await handle(app, default_timeout=0.5))
    assert steps == (["began", "completed"] if has_operation else ["began"])
    assert clock.now == (0.7 if has_operation else 0.5)


@pytest.mark.virtual_time
async def test_answer_within_the_grace_time() -> None:
    """What the app itself answers within the grace time is the answer."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with Cancelable():
                await anyio.sleep_forever()
        except TimeoutCancelation:
            await anyio.sleep(0.2)
            await send({**START, "status": 408})
            await send(END)

    channel = await handle(app, default_timeout=0.5)
    assert channel.sent == [{**START, "status": 408}, END]


@pytest.mark.virtual_time
async def test_result_that_is_just_in_time() -> None:
    """A response that is complete before its time is up is not touched."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with Cancelable():
            await anyio.sleep(0.49)
            await send(START)
            await send(END)

    assert (await handle(app, default_timeout=0.5)).sent == [START, END]


@pytest.mark.virtual_time
async def test_waiting_for_the_body() -> None:
    """A client that does not send its body gets a 504: the time begins with the request."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert (await receive())["body"] == b"first"
        await receive()

    assert_timed_out(await handle(app, piece(b"first"), default_timeout=0.5))


@pytest.mark.virtual_time
async def test_app_that_returns_nothing() -> None:
    """An app that gives up silently when its operation ends has said nothing to the client: the middleware does."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with Cancelable(move_on=True):
            await anyio.sleep_forever()

    assert_timed_out(await handle(app, NO_BODY, default_timeout=0.5))


@pytest.mark.virtual_time
async def test_exceptions_of_several_operations() -> None:
    """A group of cancellations, as a task group raises it, is an answer like one."""

    async def hold() -> None:
        async with Cancelable():
            await anyio.sleep_forever()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(hold)
            group.start_soon(hold)

    assert_timed_out(await handle(app, default_timeout=0.5))


@pytest.mark.loops("asyncio", "eager", "uvloop")
async def test_leaving_while_the_loop_is_busy() -> None:
    """An operation that reads hears of its own end, not of the client's leaving, though the loop be slow just then."""
    channel, read = Channel(piece(b"first")), list[Message]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with Cancelable():
            await receive()
            read.append(await receive())

    async with channel.running(app):
        channel.push(LEFT)
        for _ in range(5):
            asyncio.get_running_loop().call_soon(time.sleep, 0.06)
            await asyncio.sleep(0)
    assert read == []
