"""`run_in_thread`: blocking work that knows its operation and can ask whether to stop."""

from __future__ import annotations

import contextvars
import threading
import time
from typing import Any

import anyio
import anyio.to_thread
import pytest

from hother.cancelable import (
    Cancelable,
    CancelationError,
    CancelationReason,
    CancelationToken,
    ManualCancelation,
    OperationStatus,
    TimeoutCancelation,
    current_operation,
)

colour: contextvars.ContextVar[str] = contextvars.ContextVar("colour", default="none")


def _check_until_told(started: threading.Event | None = None) -> None:
    """Ask the current operation until it says to stop."""
    operation = current_operation()
    assert operation is not None
    if started is not None:
        started.set()
    limit = time.monotonic() + 20
    while time.monotonic() < limit:
        operation.check()
        time.sleep(0)
    raise AssertionError("never told to stop")


async def test_a_function_runs_in_a_thread() -> None:
    """Arguments go in, the result comes out, and the loop is free meanwhile."""
    loop_thread, ran = threading.get_ident(), list[int]()

    def work(*args: int, **kwargs: str) -> tuple[Any, ...]:
        ran.append(threading.get_ident())
        return args, kwargs

    async with Cancelable() as operation:
        result = await operation.run_in_thread(work, 1, 2, word="x", function="y")
    assert result == ((1, 2), {"word": "x", "function": "y"})
    assert ran != [loop_thread]
    assert operation.is_completed


async def test_a_thread_has_the_context_variables_of_its_task() -> None:
    """The thread sees the context variables, the current operation among them; what it sets stays there."""

    def work() -> tuple[str, Cancelable | None]:
        before = colour.get()
        colour.set("changed")
        return before, current_operation()

    token = colour.set("red")
    try:
        async with Cancelable() as outer:
            assert await outer.run_in_thread(work) == ("red", outer)
            async with Cancelable() as inner:
                assert await outer.run_in_thread(work) == ("red", inner)
        assert colour.get() == "red"
    finally:
        colour.reset(token)


async def test_an_exception_in_the_thread_passes() -> None:
    """What the function raises arrives as it is, and fails the operation."""
    error = KeyError("missing")

    def work() -> None:
        raise error

    with pytest.raises(KeyError) as caught:
        async with Cancelable() as operation:
            await operation.run_in_thread(work)
    assert caught.value is error
    assert operation.context.status is OperationStatus.FAILED


async def test_a_thread_that_asks_is_told_of_the_timeout() -> None:
    """`check()` raises in the thread when the operation's own deadline has passed; the reason arrives outside."""
    with pytest.raises(TimeoutCancelation) as caught:
        async with Cancelable.with_timeout(0.02) as operation:
            await operation.run_in_thread(_check_until_told)
    assert caught.value.context is operation.context
    assert operation.is_cancelled
    assert operation.context.cancel_reason is CancelationReason.TIMEOUT


@pytest.mark.parametrize("how", ["token", "operation", "parent"])
async def test_a_thread_that_asks_is_told_of_a_cancel(how: str) -> None:
    """So it is when a token, the operation itself or the one around it is cancelled, from another thread."""
    token, started = CancelationToken(), threading.Event()
    with pytest.raises(ManualCancelation, match="stop") as caught:
        async with Cancelable(name="outer") as outer, Cancelable.with_token(token, name="inner") as inner:

            def stop() -> None:
                started.wait(20)
                {"token": token, "operation": inner.token, "parent": outer.token}[how].cancel_sync("stop")

            thread = threading.Thread(target=stop)
            thread.start()
            await inner.run_in_thread(_check_until_told, started)
    thread.join()
    assert caught.value.context is (outer if how == "parent" else inner).context
    expected = CancelationReason.PARENT if how == "parent" else CancelationReason.MANUAL
    assert inner.context.cancel_reason is expected
    assert inner.is_cancelled


async def test_a_thread_that_asks_is_told_of_an_enclosing_scope() -> None:
    """The cancellation of an anyio scope around the operation is seen in the thread, and the scope takes it."""
    started = threading.Event()
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:

            async def stop() -> None:
                await anyio.to_thread.run_sync(started.wait, 20)
                scope.cancel()

            group.start_soon(stop)
            async with Cancelable() as operation:
                await operation.run_in_thread(_check_until_told, started)
    assert scope.cancelled_caught
    assert operation.is_cancelled
    assert operation.context.cancel_reason is CancelationReason.EXTERNAL


async def test_a_thread_that_is_told_nothing_goes_on() -> None:
    """`check()` is silent as long as nobody asked to stop."""

    def work() -> int:
        operation = current_operation()
        assert operation is not None
        for _ in range(100):
            operation.check()
        return 7

    async with Cancelable.with_timeout(60) as operation:
        assert await operation.run_in_thread(work) == 7


@pytest.mark.parametrize("result", ["returns", "raises"])
async def test_the_reason_is_not_lost_when_the_thread_comes_back_late(result: str) -> None:
    """A thread that never asks is waited for; a late result is dropped for the reason, a late error is shown."""
    token = CancelationToken()

    def work() -> str:
        token.cancel_sync("while it ran")
        if result == "raises":
            raise KeyError("late")
        return "late"

    with pytest.raises(ManualCancelation if result == "returns" else KeyError) as caught:
        async with Cancelable.with_token(token) as operation:
            await operation.run_in_thread(work)
            raise AssertionError("the result was taken")
    assert operation.cancel_requested
    assert operation.context.cancel_message == "while it ran"
    assert operation.is_cancelled is (result == "returns")
    assert isinstance(caught.value, CancelationError) is (result == "returns")


async def test_a_timeout_is_not_lost_when_the_thread_comes_back_late() -> None:
    """A deadline that passes while the thread runs ends the operation as soon as the thread is back."""
    with pytest.raises(TimeoutCancelation):
        async with Cancelable.with_timeout(0.01) as operation:
            await operation.run_in_thread(time.sleep, 0.05)
            raise AssertionError("the result was taken")
    assert operation.is_cancelled


async def test_a_thread_can_be_abandoned() -> None:
    """With `abandon_on_cancel` the operation does not wait for a thread that does not ask."""
    release, left = threading.Event(), threading.Event()

    def work() -> None:
        release.wait(20)
        left.set()

    try:
        with pytest.raises(TimeoutCancelation):
            async with Cancelable.with_timeout(0.02) as operation:
                await operation.run_in_thread(work, abandon_on_cancel=True)
        assert not left.is_set()
    finally:
        release.set()
    assert await anyio.to_thread.run_sync(left.wait, 20)


async def test_a_limiter_bounds_the_threads() -> None:
    """A given limiter is used instead of the default one."""
    limiter = anyio.CapacityLimiter(1)

    def work() -> float:
        return limiter.borrowed_tokens

    async with Cancelable() as operation:
        assert await operation.run_in_thread(work, limiter=limiter) == 1


async def test_a_thread_needs_a_running_operation() -> None:
    """Before entry and after the end there is nothing that could be told to stop: a RuntimeError that names it."""
    operation, ran = Cancelable(name="report"), list[int]()
    with pytest.raises(RuntimeError, match="operation 'report' does not run"):
        await operation.run_in_thread(ran.append, 1)
    async with operation:
        pass
    with pytest.raises(RuntimeError, match="operation 'report' does not run"):
        await operation.run_in_thread(ran.append, 1)
    assert ran == []


async def test_a_thread_is_not_started_for_an_operation_that_was_told_to_stop() -> None:
    """A cancelled operation is interrupted before the thread starts."""
    ran: list[int] = []
    with pytest.raises(ManualCancelation):
        async with Cancelable() as operation:
            await operation.cancel()
            await operation.run_in_thread(ran.append, 1)
    assert ran == []


async def test_a_thread_may_cancel_its_own_operation() -> None:
    """`current_operation().cancel_sync()` in the thread ends the operation when the thread is back."""

    def work() -> bool:
        operation = current_operation()
        assert operation is not None
        return operation.cancel_sync("by the thread itself")

    with pytest.raises(ManualCancelation, match="by the thread itself") as caught:
        async with Cancelable() as operation:
            await operation.run_in_thread(work)
    assert caught.value.context is operation.context
    assert "thread" in (operation.context.cancel_origin or "")


async def test_a_shielded_thread_is_left_alone() -> None:
    """Inside `shield` the thread's `check()` is silent, and the reason is delivered right after."""
    token = CancelationToken()

    def work() -> str:
        token.cancel_sync("during the shield")
        operation = current_operation()
        assert operation is not None
        operation.check()
        return "done"

    results: list[str] = []
    with pytest.raises(ManualCancelation, match="during the shield"):
        async with Cancelable.with_token(token) as operation:
            async with operation.shield():
                results.append(await operation.run_in_thread(work))
            raise AssertionError("it was not delivered")
    assert results == ["done"]
