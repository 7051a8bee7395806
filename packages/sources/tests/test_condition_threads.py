"""Conditions that are asked in worker threads: slow ones, which may block."""

from __future__ import annotations

import contextlib
import threading

import anyio
import anyio.from_thread
import anyio.lowlevel
import pytest

from hother.cancelable import Cancelable, TimeoutCancelation
from hother.cancelable.sources import ConditionSource
from hother.cancelable.sources.condition import thread_limiter

from .asking import is_idle


class Blocking:
    """A predicate that blocks its thread until it is released, and notes the threads that asked."""

    def __init__(self) -> None:
        self.started = anyio.Event()
        self.release = threading.Event()
        self.threads: list[threading.Thread] = []

    def __call__(self) -> bool:
        self.threads.append(threading.current_thread())
        anyio.from_thread.run_sync(self.started.set)
        assert self.release.wait(10)
        return True


async def test_a_blocking_predicate_holds_up_nobody() -> None:
    """The body runs while the predicate blocks in another thread than the loop's."""
    predicate = Blocking()
    async with Cancelable.with_condition(predicate, in_thread=True, move_on=True) as operation:
        with anyio.fail_after(10):
            await predicate.started.wait()
            for _ in range(10):
                await anyio.lowlevel.checkpoint()
        assert not predicate.release.is_set()
        predicate.release.set()
        await anyio.sleep_forever()
    assert operation.is_cancelled
    assert threading.current_thread() not in predicate.threads


@pytest.mark.parametrize("is_late", [False, True])
async def test_an_operation_that_ends_while_its_predicate_blocks(is_late: bool) -> None:
    """It does not wait for the thread, whether its body ends or is interrupted; what comes back late is dropped."""
    predicate = Blocking()
    operation = Cancelable.with_condition(predicate, in_thread=True)
    with anyio.fail_after(10), pytest.raises(TimeoutCancelation) if is_late else contextlib.nullcontext():
        async with operation:
            await predicate.started.wait()
            if is_late:
                operation.reschedule(0.01)
                await anyio.sleep_forever()
    try:
        assert not predicate.release.is_set()
        assert operation.is_completed is not is_late
        assert is_idle()
    finally:
        predicate.release.set()
    await _until_threads_are_free()
    assert operation.cancel_requested is is_late
    assert len(predicate.threads) == 1


async def test_a_condition_in_a_thread_takes_none_while_it_waits() -> None:
    """A worker thread is taken for each check only, and given back; none of those that the program shares."""
    limiter, shared = thread_limiter(), anyio.to_thread.current_default_thread_limiter()
    taken: list[tuple[float, float]] = []

    def predicate() -> bool:
        taken.append((limiter.borrowed_tokens, shared.borrowed_tokens))
        return False

    async with Cancelable.with_condition(predicate, 3600, in_thread=True):
        await _until_threads_are_free()
        while not taken:
            await anyio.lowlevel.checkpoint()
        await _until_threads_are_free()
        await anyio.wait_all_tasks_blocked()
    assert taken == [(1, 0)]
    assert is_idle()


async def test_a_thread_condition_that_is_over_asks_no_more() -> None:
    """After the block no thread is started for it."""
    asked: list[int] = []

    def predicate() -> bool:
        asked.append(1)
        return len(asked) == 3

    with anyio.fail_after(10):
        async with Cancelable.with_source(ConditionSource(predicate, 0.001, in_thread=True), move_on=True):
            await anyio.sleep_forever()
    await anyio.sleep(0.01)
    assert len(asked) == 3
    assert is_idle()


async def _until_threads_are_free() -> None:
    with anyio.fail_after(10):
        while thread_limiter().borrowed_tokens:
            await anyio.lowlevel.checkpoint()
