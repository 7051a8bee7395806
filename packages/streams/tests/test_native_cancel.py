"""What asyncio itself cancels while an item that has come is not handed out yet: the item is, and then it ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from hother.cancelable import Cancelable, CancelationSource, cancelable, cancelable_stream
from hother.cancelable.streams import CancelableAsyncIterator

from .shared import count, settle

on_asyncio = pytest.mark.loops("asyncio", "eager", "uvloop")


class Lingering(CancelationSource):
    """Waits for ever, and has a clean-up that waits until it is released."""

    def __init__(self) -> None:
        self.stopping = anyio.Event()
        self.release = anyio.Event()

    async def wait(self) -> str | None:
        try:
            await anyio.sleep_forever()
            return None
        finally:
            self.stopping.set()
            with anyio.CancelScope(shield=True):
                await self.release.wait()


def _this_task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None
    return task


def _stream(where: str, operation: Cancelable, then: Callable[[], object]) -> CancelableAsyncIterator[int]:
    """Return a stream that calls `then` and waits for ever in a callback for its second item."""

    async def hang(number: object, *_: object) -> None:
        if number in (2, operation.operation_id):
            then()
            await anyio.sleep_forever()

    if where == "on_progress":
        return operation.stream(count(), on_progress=hang)
    operation.on_progress(hang)
    return operation.stream(count(), report_interval=2)


@on_asyncio
@pytest.mark.parametrize("where", ["on_progress", "report"])
@pytest.mark.parametrize("inside", [True, False])
async def test_a_task_that_is_cancelled_in_a_callback(where: str, inside: bool) -> None:
    """The item is handed out, the body ends at its next wait, and the count of requests and the message are right."""
    items, counts, waited = list[int](), list[int](), list[int]()

    async def consume() -> None:
        operation, task = Cancelable(), _this_task()

        async def iterate() -> None:
            cancel = asyncio.get_running_loop().call_soon
            async with _stream(where, operation, lambda: cancel(task.cancel, "from outside")) as stream:
                async for number in stream:
                    items.append(number)
                    counts.append(task.cancelling())
                    await checkpoint()
                    waited.append(number)

        if inside:
            async with operation:
                await iterate()
        else:
            await iterate()

    task = asyncio.create_task(consume())
    with pytest.raises(asyncio.CancelledError, match="from outside"):
        await task
    assert (items, counts, waited) == ([0, 1], [0, 1], [0])
    assert task.cancelled()


@on_asyncio
@pytest.mark.parametrize("where", ["on_progress", "report"])
@pytest.mark.parametrize("inside", [True, False])
async def test_a_timeout_of_asyncio_in_a_callback(where: str, inside: bool) -> None:
    """The item is handed out, then the block is left with TimeoutError, and the task goes on as if nothing was."""
    items, operation = list[int](), Cancelable()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(None) as limit:
            stream = _stream(where, operation, lambda: limit.reschedule(0))
            if inside:
                async with operation:
                    async for number in stream:
                        items.append(number)
            else:
                async for number in stream:
                    items.append(number)
    assert items == [0, 1]
    assert _this_task().cancelling() == 0
    assert operation.is_cancelled
    await asyncio.sleep(0)


@on_asyncio
async def test_a_timeout_inside_a_task_that_was_cancelled_before() -> None:
    """`asyncio.timeout` compares with the requests of before, so these stay as they are."""
    task, items = _this_task(), list[int]()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.sleep(0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(None) as limit:
            async for number in _stream("on_progress", Cancelable(), lambda: limit.reschedule(0)):
                items.append(number)
    assert (items, task.cancelling()) == ([0, 1], 1)
    task.uncancel()


@on_asyncio
@pytest.mark.parametrize("decorated", [True, False])
async def test_a_cancel_while_sources_are_stopped(decorated: bool) -> None:
    """A step that waits for the clean-up of a source's task hands its item out, too."""
    source, items, waited = Lingering(), list[int](), list[int]()

    async def numbers() -> AsyncGenerator[int]:
        async for number in count():
            yield number

    async def consume() -> None:
        if decorated:
            stream: Any = cancelable(sources=[source])(numbers)()
        else:
            stream = cancelable_stream(numbers(), Cancelable.with_source(source))
        async for number in stream:
            items.append(number)
            assert _this_task().cancelling() == 1
            await checkpoint()
            waited.append(number)

    task = asyncio.create_task(consume())
    await source.stopping.wait()
    task.cancel("from outside")
    await anyio.wait_all_tasks_blocked()
    source.release.set()
    with pytest.raises(asyncio.CancelledError, match="from outside"):
        await task
    assert (items, waited) == ([0], [])
    await settle()  # what was left is closed by the loop


@pytest.mark.parametrize("sync", [True, False])
async def test_a_callback_that_raises_what_only_looks_like_a_cancel(
    sync: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """What it awaited was cancelled, not the consumer: that is a failure of the callback, on every loop."""

    def fail(*_: object) -> None:
        raise asyncio.CancelledError("something else")

    async def fail_later(*_: object) -> None:
        await checkpoint()
        raise asyncio.CancelledError("something else")

    stream = cancelable_stream(count(2), on_progress=fail if sync else fail_later)
    assert [number async for number in stream] == [0, 1]
    assert [each.levelno for each in caplog.records] == [logging.ERROR] * 2
    assert stream.operation.is_completed


async def test_a_scope_around_a_callback() -> None:
    """A scope of anyio is kept out by the shield, on every loop; its cancel comes at the next wait."""
    items, ended = list[int](), list[int]()
    with anyio.CancelScope() as scope:

        async def cancel(number: int, item: int) -> None:
            if number == 2:
                scope.cancel()
            await checkpoint()
            ended.append(item)

        async for number in cancelable_stream(count(), on_progress=cancel):
            items.append(number)
    assert scope.cancelled_caught
    assert items == ended == [0, 1]
