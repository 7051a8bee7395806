"""Threads of `run_in_thread` that go on after their task was cancelled by asyncio itself."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

import anyio.to_thread
import pytest

from hother.cancelable import Cancelable, CancelationReason, current_operation
from hother.cancelable.core import ExternalCancelation


class Worker:
    """Asks its operation whether to stop until it hears so, and keeps what it heard."""

    def __init__(self) -> None:
        self.heard: BaseException | None = None
        self.done = threading.Event()

    def work(self, started: Callable[[], object]) -> None:
        operation = current_operation()
        assert operation is not None
        started()
        limit = time.monotonic() + 10
        try:
            while time.monotonic() < limit:
                operation.check()
                time.sleep(0)
        except BaseException as error:
            self.heard = error
        finally:
            self.done.set()


@pytest.mark.loops("asyncio", "eager", "uvloop")
async def test_thread_hears_of_a_native_cancel() -> None:
    """After `task.cancel()` nobody awaits the thread any more; its next `check` raises."""
    worker, started, operation = Worker(), anyio.Event(), Cancelable(name="report")
    loop = asyncio.get_running_loop()

    async def run() -> None:
        async with operation:
            await operation.run_in_thread(worker.work, lambda: loop.call_soon_threadsafe(started.set))

    task = asyncio.ensure_future(run())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await anyio.to_thread.run_sync(worker.done.wait, 15)
    assert isinstance(worker.heard, ExternalCancelation)
    assert worker.heard.context is operation.context
    assert operation.context.cancel_reason is CancelationReason.EXTERNAL


@pytest.mark.loops("asyncio", "eager", "uvloop")
async def test_thread_hears_of_a_native_timeout() -> None:
    """The same where `asyncio.timeout` around the operation has run out."""
    worker, operation, loop = Worker(), Cancelable(), asyncio.get_running_loop()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(None) as limit, operation:
            await operation.run_in_thread(worker.work, lambda: loop.call_soon_threadsafe(limit.reschedule, loop.time()))
    assert await anyio.to_thread.run_sync(worker.done.wait, 15)
    assert isinstance(worker.heard, ExternalCancelation)
    assert operation.is_cancelled


async def test_thread_that_is_left_to_itself_hears_of_the_cancelation() -> None:
    """A thread that was abandoned hears the reason that its operation ended with."""
    worker, operation = Worker(), Cancelable(move_on=True)
    async with operation:
        await operation.run_in_thread(worker.work, lambda: operation.cancel_sync("stop"), abandon_on_cancel=True)
    assert await anyio.to_thread.run_sync(worker.done.wait, 15)
    assert "stop" in str(worker.heard)
    assert operation.is_cancelled
