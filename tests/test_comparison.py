"""What the comparison page says of asyncio and anyio is so."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import anyio
import pytest
from anyio import from_thread, to_thread
from anyio.lowlevel import current_token

from hother.cancelable import Cancelable, CancelationToken, ManualCancelation


async def outlast(limit: AbstractAsyncContextManager[object]) -> list[str]:
    """Swallow the interruption of a limit, wait once more, and tell what happened."""
    happened: list[str] = []
    try:
        async with limit:
            try:
                await anyio.sleep(10)
            except anyio.get_cancelled_exc_class():
                happened.append("swallowed")
            await anyio.sleep(0.01)
            happened.append("went on")
    except TimeoutError as error:
        happened.append(type(error).__name__)
    return happened


@asynccontextmanager
async def fail_after(seconds: float) -> AsyncGenerator[None]:
    """Be the limit of anyio as an async context manager."""
    with anyio.fail_after(seconds):
        yield


@pytest.mark.loops("asyncio")
async def test_timeout_errors_of_the_others_have_no_text() -> None:
    """What `asyncio.timeout` and `fail_after` raise says nothing, and what an operation raises does."""
    with pytest.raises(TimeoutError) as of_asyncio:
        async with asyncio.timeout(0.001):
            await asyncio.sleep(10)
    with pytest.raises(TimeoutError) as of_anyio, anyio.fail_after(0.001):
        await anyio.sleep(10)
    with pytest.raises(TimeoutError) as of_operation:
        async with Cancelable.with_timeout(0.001, name="report"):
            await anyio.sleep(10)
    assert str(of_asyncio.value) == str(of_anyio.value) == ""
    assert str(of_operation.value) == "operation 'report' was cancelled (timeout): not done within 0.001 s"


@pytest.mark.loops("asyncio")
async def test_asyncio_interrupts_once() -> None:
    """A body that swallows the cancellation of `asyncio.timeout` goes on, and nothing is raised."""
    assert await outlast(asyncio.timeout(0.001)) == ["swallowed", "went on"]


@pytest.mark.virtual_time
async def test_scopes_and_operations_interrupt_again() -> None:
    """A body that swallows the cancellation of a scope or an operation is interrupted at its next checkpoint."""
    assert await outlast(fail_after(1)) == ["swallowed", "TimeoutError"]
    assert await outlast(Cancelable.with_timeout(1)) == ["swallowed", "TimeoutCancelation"]


@pytest.mark.loops("asyncio", "trio")
async def test_late_result_without_checkpoint_is_kept() -> None:
    """A body that blocks past its deadline and ends without a checkpoint keeps its result, with all of them."""
    with anyio.fail_after(0.001):
        time.sleep(0.01)
    async with Cancelable.with_timeout(0.001) as operation:
        time.sleep(0.01)
    assert operation.is_completed


@pytest.mark.loops("asyncio")
async def test_late_result_is_kept_by_asyncio() -> None:
    """The same holds for `asyncio.timeout`."""
    async with asyncio.timeout(0.001) as limit:
        time.sleep(0.01)
    assert not limit.expired()


async def test_reason_of_a_scope_is_seen_inside_alone() -> None:
    """The reason of anyio's `cancel` is in the text of the native exception, and nothing of it leaves the scope."""
    with anyio.CancelScope() as scope:
        scope.cancel("the user left")
        with pytest.raises(anyio.get_cancelled_exc_class(), match="the user left"):
            await anyio.sleep(10)
    assert not [name for name in dir(scope) if "reason" in name and not name.startswith("_")]


@pytest.mark.loops("asyncio", "uvloop")
async def test_scope_is_not_cancelled_from_a_foreign_thread() -> None:
    """On asyncio the `cancel` of a scope raises in a thread; `from_thread.run_sync` works, and waits for the loop."""
    raised: list[str] = []

    def foreign(scope: anyio.CancelScope) -> None:
        try:
            scope.cancel()
        except RuntimeError as error:
            raised.append(str(error))

    with anyio.CancelScope() as refused:
        thread = threading.Thread(target=foreign, args=(refused,))
        thread.start()
        thread.join()
    assert raised == ["no running event loop"]

    with anyio.CancelScope() as scope:
        asker = threading.Thread(target=from_thread.run_sync, args=(scope.cancel,), kwargs={"token": current_token()})
        asker.start()
        await anyio.sleep(10)
    assert scope.cancelled_caught
    await to_thread.run_sync(asker.join)


async def test_token_is_cancelled_from_a_foreign_thread() -> None:
    """`cancel_sync` may be called in any thread, and the waiting operation ends."""
    token = CancelationToken()
    threading.Timer(0.01, token.cancel_sync).start()
    with pytest.raises(ManualCancelation):
        async with Cancelable.with_token(token):
            await anyio.sleep(10)


async def test_cancellation_lapses_behind_a_thread_of_anyio() -> None:
    """A blocking call that anyio waits for gives its result in a cancelled scope; an operation raises its reason."""

    def block(cancel: Callable[[], object]) -> str:
        from_thread.run_sync(cancel)
        return "the result"

    with anyio.CancelScope() as scope:
        assert await to_thread.run_sync(block, scope.cancel) == "the result"
    assert scope.cancel_called
    assert not scope.cancelled_caught
    with pytest.raises(ManualCancelation):
        async with Cancelable() as operation:
            await operation.run_in_thread(block, operation.cancel_sync)


@pytest.mark.loops("asyncio")
async def test_to_thread_of_asyncio_leaves_its_thread_behind() -> None:
    """`asyncio.to_thread` is interrupted at once, and the thread goes on, unseen."""
    may_end, ended = threading.Event(), threading.Event()

    def block() -> None:
        may_end.wait(10)
        ended.set()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await asyncio.to_thread(block)
    assert not ended.is_set()
    may_end.set()
    assert await to_thread.run_sync(ended.wait, 10)


@pytest.mark.virtual_time
async def test_deadlines_move() -> None:
    """A running deadline can be moved with anyio and with an operation."""
    with anyio.fail_after(1) as scope:
        scope.deadline = anyio.current_time() + 10
        await anyio.sleep(5)
    async with Cancelable.with_timeout(1) as operation:
        operation.reschedule(10)
        await anyio.sleep(5)
    assert operation.is_completed
