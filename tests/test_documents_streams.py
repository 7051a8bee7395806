"""The streams of the documents' pages, run as they are written there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import anyio
import anyio.lowlevel
import pytest

from hother.cancelable import Cancelable, OperationStatus, TimeoutCancelation, cancelable_stream
from hother.cancelable.streams import cancelable_stream as from_streams


async def readings(number: int, pause: float = 0) -> AsyncIterator[int]:
    """Yield numbers, with a pause before each."""
    for each in range(number):
        await anyio.sleep(pause)
        yield each


def processing() -> tuple[list[int], Callable[[int], Awaitable[None]]]:
    """Return a list, and a function that puts items into it as if that took some work."""
    processed: list[int] = []

    async def process_item(item: int) -> None:
        await anyio.lowlevel.checkpoint()
        processed.append(item)

    return processed, process_item


async def test_stream_inside_an_operation_with_a_timeout() -> None:
    """An operation with a timeout, and a stream that belongs to it: every item is processed."""
    data_stream = readings(3)
    processed, process_item = processing()
    async with Cancelable.with_timeout(30.0) as cancel:
        async for item in cancelable_stream(data_stream, cancel):
            await process_item(item)
    assert processed == [0, 1, 2]
    assert cancel.context.status is OperationStatus.COMPLETED
    assert cancel.context.partial_result.count == 3


@pytest.mark.virtual_time
async def test_timeout_ends_the_stream() -> None:
    """When time is up, the loop ends with the operation, and the record says how far it came."""
    processed, process_item = processing()
    with pytest.raises(TimeoutCancelation) as caught:
        async with Cancelable.with_timeout(30.0) as cancel:
            async for item in cancelable_stream(readings(100, pause=7), cancel):
                await process_item(item)
    assert processed == [0, 1, 2, 3]
    assert caught.value.context is cancel.context
    assert cancel.context.partial_result.count == 4
    assert not cancel.context.partial_result.completed


@pytest.mark.virtual_time
async def test_stream_of_an_operation_that_is_cancelled_elsewhere() -> None:
    """The operation may be cancelled from another task while its stream waits."""
    processed, process_item = processing()

    async with anyio.create_task_group() as group, Cancelable(name="reading", move_on=True) as cancel:

        async def stop() -> None:
            await anyio.sleep(2.5)
            await cancel.cancel("enough")

        group.start_soon(stop)
        async for item in cancelable_stream(readings(100, pause=1), cancel):
            await process_item(item)
    assert processed == [0, 1]
    assert cancel.context.cancel_message == "enough"


def test_name_at_the_top() -> None:
    """The documents import the function from the top; it is the one of the streams package."""
    assert cancelable_stream is from_streams
