"""Tasks beside the current one, which outlive the function that starts them."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import weakref

import anyio
import pytest
from anyio.lowlevel import checkpoint

from hother.cancelable import Cancelable, current_operation
from hother.cancelable.core import TaskBeside, current_loop, start_beside

_colour: contextvars.ContextVar[str] = contextvars.ContextVar("colour", default="none")


class Work:
    """Waits for ever, and notes what happens to it."""

    def __init__(self, cleanup: float = 0.0) -> None:
        self.log: list[str] = []
        self.started = anyio.Event()
        self._cleanup = cleanup

    async def __call__(self) -> None:
        self.log.append("started")
        self.started.set()
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(self._cleanup)
            self.log.append("ended")


def _start(work: Work) -> TaskBeside:
    return start_beside(current_loop(), work, "work beside a test")


async def test_it_runs_until_it_is_stopped() -> None:
    """The function that starts it goes on and may end; `stop` cancels it and returns when it has ended."""
    work, before = Work(), len(anyio.get_running_tasks())
    task = _start(work)
    await work.started.wait()
    await anyio.wait_all_tasks_blocked()
    assert work.log == ["started"]
    await task.stop()
    assert work.log == ["started", "ended"]
    assert len(anyio.get_running_tasks()) == before
    await task.stop()


@pytest.mark.virtual_time
async def test_a_clean_up_is_waited_for() -> None:
    """However long the task takes to end."""
    work = Work(cleanup=100)
    task = _start(work)
    await work.started.wait()
    since = anyio.current_time()
    await task.stop()
    assert work.log == ["started", "ended"]
    assert anyio.current_time() - since == pytest.approx(100)


@pytest.mark.parametrize("before", [True, False])
async def test_a_caller_that_is_cancelled_meanwhile(before: bool) -> None:
    """It waits for the end of the task all the same, without keeping the loop busy, and is interrupted then."""
    release, log = anyio.Event(), list[str]()

    async def work() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await release.wait()
            log.append("ended")

    async def cancel_and_release(scope: anyio.CancelScope) -> None:
        try:
            with anyio.fail_after(3):
                await anyio.wait_all_tasks_blocked()
                scope.cancel()
                await anyio.wait_all_tasks_blocked()
        finally:
            release.set()

    task = start_beside(current_loop(), work, "work")
    await anyio.wait_all_tasks_blocked()
    async with anyio.create_task_group() as group:
        with anyio.CancelScope() as scope:
            if before:
                scope.cancel()
            group.start_soon(cancel_and_release, scope)
            try:
                await task.stop()
            finally:
                assert log == ["ended"]
            await checkpoint()
        assert scope.cancelled_caught


@pytest.mark.loops("asyncio", "eager", "uvloop")
async def test_a_caller_that_is_cancelled_natively() -> None:
    """Cancelled by `task.cancel()` it ends as cancelled, once the task beside it has ended."""
    release = asyncio.Event()
    log = list[str]()

    async def work() -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            await release.wait()
            log.append("ended")
            raise

    beside = start_beside(current_loop(), work, "work")
    await checkpoint()
    caller = asyncio.create_task(beside.stop())
    await anyio.wait_all_tasks_blocked()
    for _ in range(3):
        caller.cancel()
        await anyio.wait_all_tasks_blocked()
        assert not caller.done()
    release.set()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert log == ["ended"]


@pytest.mark.loops("asyncio", "eager", "uvloop")
async def test_a_native_cancel_while_the_task_ends_at_once() -> None:
    """It is not lost in the one turn of the loop that this takes."""
    work = Work()
    beside = _start(work)
    await work.started.wait()
    caller = asyncio.create_task(beside.stop())
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    await checkpoint()
    assert work.log == ["started", "ended"]


async def test_work_that_has_ended_by_itself() -> None:
    """It needs no `stop`, and bears one."""
    done = anyio.Event()

    async def work() -> None:
        await checkpoint()
        done.set()

    before = len(anyio.get_running_tasks())
    task = start_beside(current_loop(), work, "short work")
    await done.wait()
    await anyio.wait_all_tasks_blocked()
    assert len(anyio.get_running_tasks()) == before
    await task.stop()


async def test_work_that_is_stopped_before_it_has_begun() -> None:
    """It goes no further than to its first checkpoint, if it begins at all."""
    work = Work()
    await _start(work).stop()
    assert work.log in ([], ["started", "ended"])


async def test_the_context_is_a_copy() -> None:
    """The task sees the variables of the one that starts it, and changes its own copy."""
    seen = list[tuple[str, Cancelable | None]]()
    done = anyio.Event()

    async def work() -> None:
        seen.append((_colour.get(), current_operation()))
        _colour.set("red")
        done.set()

    async with Cancelable() as operation:
        token = _colour.set("blue")
        task = start_beside(current_loop(), work, "work")
        await done.wait()
        await task.stop()
        assert _colour.get() == "blue"
        _colour.reset(token)
    assert seen == [("blue", operation)]


async def test_the_name_of_the_task() -> None:
    """It shows in what lists tasks."""
    work = Work()
    task = _start(work)
    await work.started.wait()
    assert "work beside a test" in {each.name for each in anyio.get_running_tasks()}
    await task.stop()


async def test_the_scopes_of_the_one_that_starts_it() -> None:
    """A cancellation of theirs does not reach the task."""
    work = Work()
    with anyio.CancelScope() as scope:
        task = _start(work)
        await work.started.wait()
        scope.cancel()
        await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert work.log == ["started"]
    await task.stop()
    assert work.log == ["started", "ended"]


async def test_nothing_is_left() -> None:
    """What was stopped is gone as soon as nobody holds it."""
    gc.collect()
    gc.disable()
    try:
        work = Work()
        task = _start(work)
        reference = weakref.ref(work)
        await work.started.wait()
        await task.stop()
        del task, work
        for _ in range(3):
            await checkpoint()
        assert reference() is None
    finally:
        gc.enable()
