"""What goes wrong around an operation: callbacks that exit or block, loops that end, clocks that jump."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from hother.cancelable import (
    Cancelable,
    CancelationError,
    CancelationToken,
    Observer,
    OperationStatus,
    add_observer,
    remove_observer,
)
from hother.cancelable.core import has_listeners

HOUR = 3600
EXITS = [SystemExit, KeyboardInterrupt]


class Failure(Exception):
    """What the body raises."""


async def _run(operation: Cancelable, event: str) -> None:
    """Run an operation that ends in such a way that its callbacks for an event are called."""
    async with operation:
        await operation.report_progress("halfway")
        if event == "cancel":
            await operation.cancel()
            await anyio.sleep(60)
        if event == "error":
            raise Failure


@pytest.mark.parametrize("event", ["start", "progress", "complete", "cancel", "error"])
@pytest.mark.parametrize("exits", EXITS)
async def test_a_callback_that_exits(event: str, exits: type[BaseException]) -> None:
    """`sys.exit` in a callback leaves the block; the operation has ended, and holds on to nothing."""
    token = CancelationToken()
    operation = Cancelable.with_token(token, timeout=60)

    def leave(*_: object) -> None:
        raise exits("enough")

    getattr(operation, f"on_{event}")(leave)
    with pytest.raises(exits, match="enough"):
        await _run(operation, event)
    assert not operation.is_running
    assert operation.context.end_time is not None
    assert not token._listeners
    assert not has_listeners(operation.token)
    await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize("exits", EXITS)
def test_a_callback_of_a_token_that_exits_tells_all_loops(exits: type[BaseException]) -> None:
    """Operations on a token end although one of its callbacks exits the thread that cancels it."""
    token, ready = CancelationToken(), threading.Event()

    def leave(_: CancelationToken) -> None:
        raise exits

    token.on_cancel(leave)
    outcomes: list[OperationStatus] = []

    async def work() -> None:
        async with Cancelable.with_token(token, move_on=True) as operation:
            ready.set()
            await anyio.sleep(20)
        outcomes.append(operation.context.status)

    thread = threading.Thread(target=anyio.run, args=(work,))
    thread.start()
    assert ready.wait(20)
    with pytest.raises(exits):
        token.cancel_sync()
    thread.join()
    assert outcomes == [OperationStatus.CANCELLED]


@pytest.mark.parametrize("event", ["start", "progress", "complete", "cancel", "error"])
async def test_a_callback_that_cancels_again(event: str) -> None:
    """A callback that cancels its own operation, from the loop and from a thread, changes no record that is made."""
    operation = Cancelable(move_on=True)
    won: list[bool] = []

    async def cancel(*_: object) -> None:
        thread = threading.Thread(target=lambda: won.append(operation.cancel_sync("thread")))
        thread.start()
        thread.join()
        won.append(await operation.cancel("loop"))

    getattr(operation, f"on_{event}")(cancel)
    try:
        await _run(operation, event)
    except Failure:
        assert event == "error"
    early = event in {"start", "progress"}
    assert won == [early, False]
    expected = {"start": "completed", "progress": "completed", "complete": "completed", "error": "failed"}
    assert operation.context.status.value == expected.get(event, "cancelled")
    assert operation.context.cancel_message == ("thread" if early else None)


async def test_a_callback_that_blocks() -> None:
    """A callback that blocks its thread delays the others no longer than until somebody else comes to the token."""
    token, order = CancelationToken(), list[str]()
    go_on, blocked = threading.Event(), threading.Event()

    def block(_: CancelationToken) -> None:
        blocked.set()
        go_on.wait(20)
        order.append("blocked")

    token.on_cancel(block)
    token.on_cancel(lambda _: order.append("next"))
    thread = threading.Thread(target=token.cancel_sync)
    async with Cancelable.with_token(token, move_on=True) as operation:
        thread.start()
        await anyio.to_thread.run_sync(blocked.wait, 20)
        assert operation.cancel_requested is False
        assert token.is_cancelled
        with pytest.raises(CancelationError):
            token.check()
        assert not token.on_cancel(lambda _: order.append("late")).unregister()
        await anyio.sleep(20)
    assert operation.is_cancelled
    go_on.set()
    thread.join()
    assert order == ["next", "late", "blocked"]


@pytest.mark.parametrize(("backend", "options"), [("asyncio", {}), ("asyncio", {"use_uvloop": True}), ("trio", {})])
def test_a_loop_that_ends_under_a_thread_that_waits(backend: str, options: dict[str, Any]) -> None:
    """A thread that waits for a token goes on to wait when the loop beside it is gone, and is woken from elsewhere."""
    token, answers, waits = CancelationToken(), list[bool](), threading.Event()

    def wait() -> None:
        waits.set()
        answers.append(token.wait_sync(20))

    thread = threading.Thread(target=wait)

    async def main() -> None:
        async with Cancelable.with_token(token):
            thread.start()
            assert await anyio.to_thread.run_sync(waits.wait, 20)

    anyio.run(main, backend=backend, backend_options=options)
    assert thread.is_alive()
    assert token.cancel_sync()
    thread.join(20)
    assert answers == [True]


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
async def test_a_wall_clock_that_jumps(jump: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wall clock gives the start alone: a jump of it ends no operation, and makes none longer or shorter."""
    real = time.time
    async with Cancelable.with_timeout(60) as operation:
        started = datetime.now(UTC)
        monkeypatch.setattr(time, "time", lambda: real() + jump)
        await anyio.sleep(0.001)
    context = operation.context
    assert operation.is_completed
    assert context.start_time is not None
    assert context.duration is not None
    assert timedelta(0) < context.duration < timedelta(seconds=30)
    assert context.end_time == context.start_time + context.duration
    assert abs(context.start_time - started) < timedelta(seconds=30)


@pytest.mark.parametrize("timeout", [HOUR / 2, HOUR * 2])
@pytest.mark.loops("asyncio", "eager")
async def test_a_clock_of_the_loop_that_jumps(timeout: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a sleep of the machine a deadline that has passed counts with its own time, and one to come does not."""
    real = time.monotonic
    operation = Cancelable.with_timeout(timeout, move_on=True)
    async with operation:
        loop, deadline = asyncio.get_running_loop(), operation.deadline
        monkeypatch.setattr(time, "monotonic", lambda: real() + HOUR)
        assert loop.time() > real() + HOUR / 2
        assert operation.remaining() == pytest.approx(max(0, timeout - HOUR), abs=30)
        for _ in range(5):
            await anyio.lowlevel.checkpoint()
    assert operation.is_cancelled is (timeout < HOUR)
    cause = operation.token.cause
    assert (None if cause is None else cause.time) == (deadline if timeout < HOUR else None)
    duration = operation.context.duration
    assert duration is not None
    assert abs(duration - timedelta(seconds=HOUR)) < timedelta(seconds=30)


@pytest.mark.parametrize("where", ["operation_started", "cancel_requested", "cancel_delivered", "operation_ended"])
async def test_an_observer_that_raises_or_cancels(where: str, caplog: pytest.LogCaptureFixture) -> None:
    """An observer that fails in the midst of an operation that it has cancelled again is logged, and all ends well."""

    class Harmful(Observer):
        """Cancels the operation and raises."""

    def harm(operation: Cancelable, *_: object) -> None:
        operation.cancel_sync("observer")
        raise Failure

    observer = Harmful()
    vars(observer)[where] = harm
    add_observer(observer)
    try:
        async with Cancelable(move_on=True) as operation:
            await operation.cancel("body")
            await anyio.sleep(60)
    finally:
        remove_observer(observer)
    assert operation.is_cancelled
    assert operation.context.cancel_message == ("observer" if where == "operation_started" else "body")
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
