"""Waiting on a token: in a task on any loop, and in a thread, without polling."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import anyio
import anyio.to_thread
import pytest

from hother.cancelable import CancelationReason, CancelationToken


async def test_a_waiting_task_is_woken() -> None:
    """Tasks that wait go on when the token is cancelled, from the loop and from a thread."""
    for from_thread in (False, True):
        token, woken = CancelationToken(), list[object]()

        async def wait(token: CancelationToken = token, woken: list[object] = woken) -> None:
            await token.wait_for_cancel()
            woken.append(token.message)

        with anyio.fail_after(10):
            async with anyio.create_task_group() as group:
                for _ in range(3):
                    group.start_soon(wait)
                await anyio.wait_all_tasks_blocked()
                assert woken == []
                if from_thread:
                    await anyio.to_thread.run_sync(token.cancel_sync, "go")
                else:
                    await token.cancel("go")
        assert woken == ["go", "go", "go"]


async def test_waiting_for_a_cancelled_token_returns() -> None:
    """A wait that comes after the request ends, and leaves nothing on the token."""
    token = CancelationToken()
    token.cancel_sync()
    with anyio.fail_after(10):
        await token.wait_for_cancel()
        await token.wait_for_cancel()
    assert not token._listeners


async def test_a_wait_on_a_linked_token_ends_too() -> None:
    """The news travels along links to those who wait, also where nobody else knows the linked token."""
    top = CancelationToken()
    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(CancelationToken.any_of(CancelationToken.any_of(top), CancelationToken()).wait_for_cancel)
            await anyio.wait_all_tasks_blocked()
            top.cancel_sync()


async def test_a_wait_that_is_given_up_leaves_nothing() -> None:
    """A cancelled wait takes itself off the token, and the token can be cancelled afterwards."""
    token = CancelationToken()
    async with anyio.create_task_group() as group:
        group.start_soon(token.wait_for_cancel)
        await anyio.wait_all_tasks_blocked()
        assert len(token._listeners) == 1
        group.cancel_scope.cancel()
    assert not token._listeners
    assert await token.cancel()


async def test_a_wait_is_no_busy_one() -> None:
    """A task that waits for a token lets the loop sleep: everybody is seen blocked."""
    token = CancelationToken()
    async with anyio.create_task_group() as group:
        group.start_soon(token.wait_for_cancel)
        with anyio.fail_after(10):
            await anyio.wait_all_tasks_blocked()
        await token.cancel()


async def test_waiting_is_a_checkpoint() -> None:
    """A cancelled scope ends the wait, also where the token is cancelled already."""
    token = CancelationToken()
    token.cancel_sync()
    for each in (token, CancelationToken()):
        with anyio.CancelScope() as scope:
            scope.cancel()
            await each.wait_for_cancel()
        assert scope.cancelled_caught


def test_waiting_outside_any_loop_is_refused() -> None:
    """Driven by hand, without a loop, the wait raises anyio's own error and registers nothing."""
    token = CancelationToken()
    with pytest.raises(anyio.NoEventLoopError):
        token.wait_for_cancel().send(None)
    assert not token._listeners


def test_a_thread_waits_until_the_token_is_cancelled() -> None:
    """`wait_sync` returns True when another thread cancels, in all threads that wait."""
    token = CancelationToken()
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(token.wait_sync, timeout) for timeout in (None, 30, 1e9, math.inf, None, 30, None, 30)]
        while len(token._listeners) < 8:  # until all of them wait
            time.sleep(0)
        assert not any(each.done() for each in waiting)
        token.cancel_sync()
        assert [each.result(10) for each in waiting] == [True] * 8
    assert not token._listeners


def test_wait_sync_gives_up_after_its_timeout() -> None:
    """It says False when the time is up, not before, and leaves nothing on the token."""
    token, start = CancelationToken(), time.monotonic()
    assert token.wait_sync(0.02) is False
    assert time.monotonic() - start >= 0.019
    assert not token._listeners
    assert token.cancel_sync()


def test_wait_sync_with_timeout_zero_just_looks() -> None:
    """Zero seconds never wait: the answer is how the token stands."""
    token = CancelationToken()
    assert token.wait_sync(0) is False
    assert token.wait_sync(timeout=0.0) is False
    token.cancel_sync()
    assert token.wait_sync(0) is True


def test_wait_sync_on_a_cancelled_token_returns_at_once() -> None:
    """No wait, whatever the timeout, and as often as it is asked."""
    token = CancelationToken()
    token.cancel_sync(CancelationReason.SHUTDOWN)
    assert [token.wait_sync(), token.wait_sync(30), token.wait_sync(math.inf)] == [True, True, True]
    assert not token._listeners


@pytest.mark.parametrize("timeout", [-1, -0.001, -math.inf, math.nan])
def test_wait_sync_refuses_times_that_make_no_sense(timeout: float) -> None:
    """Negative and NaN timeouts are ValueErrors that show the value."""
    token = CancelationToken()
    with pytest.raises(ValueError, match=r"the timeout must be zero or more seconds"):
        token.wait_sync(timeout)
    assert not token._listeners


def test_wait_sync_refuses_what_is_no_number() -> None:
    """A string is a TypeError."""
    with pytest.raises(TypeError):
        CancelationToken().wait_sync("3")  # type: ignore[arg-type]


@pytest.mark.parametrize("timeout", [None, 0, 5])
@pytest.mark.parametrize("cancelled", [False, True])
async def test_wait_sync_refuses_to_block_an_event_loop(timeout: float | None, cancelled: bool) -> None:
    """In the thread of a running loop it is a RuntimeError that names what to await instead."""
    token = CancelationToken()
    if cancelled:
        token.cancel_sync()
    with pytest.raises(RuntimeError, match="wait_for_cancel"):
        token.wait_sync(timeout)
    assert not token._listeners


@pytest.mark.loops("asyncio", "uvloop", "eager")
async def test_wait_sync_refuses_to_block_a_loop_in_its_callbacks() -> None:
    """It is refused as well in a callback of the loop, which no task runs."""
    token, done, errors = CancelationToken(), anyio.Event(), list[Exception]()

    def call_back() -> None:
        try:
            token.wait_sync(0.01)
        except RuntimeError as error:
            errors.append(error)
        done.set()

    asyncio.get_running_loop().call_soon(call_back)
    await done.wait()
    assert len(errors) == 1
    assert "wait_for_cancel" in str(errors[0])


async def test_wait_sync_works_in_a_worker_thread_of_a_loop() -> None:
    """A worker thread may wait, and its loop's tasks can end the wait."""
    token = CancelationToken()
    answers: list[bool] = []

    async def wait() -> None:
        answers.append(await anyio.to_thread.run_sync(token.wait_sync, 30))

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        await token.cancel()
    assert answers == [True]


def test_a_waiting_thread_does_not_poll() -> None:
    """Waiting in ten threads costs next to no processor time."""
    token, idle = CancelationToken(), threading.Barrier(11)

    def wait() -> float:
        idle.wait()
        before = time.thread_time()
        assert not token.wait_sync(0.2)
        return time.thread_time() - before

    with ThreadPoolExecutor(10) as pool:
        waiting = [pool.submit(wait) for _ in range(10)]
        idle.wait()
        spent = [each.result(10) for each in waiting]
    assert max(spent) < 0.05
