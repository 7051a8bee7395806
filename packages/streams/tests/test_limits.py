"""How long a stream may wait, for an item and in all: exact times, and which limit is named."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from hother.cancelable import Cancelable, OperationStatus, TimeoutCancelation, cancelable_stream
from hother.cancelable.streams import CancelableAsyncIterator

from .pacing import Stubborn, paced

pytestmark = pytest.mark.virtual_time


async def timed_out(stream: CancelableAsyncIterator[Any]) -> tuple[list[Any], float, TimeoutCancelation]:
    """Return the items of a stream that times out, the time that took, and the error."""
    start, items = anyio.current_time(), list[Any]()
    with pytest.raises(TimeoutCancelation) as caught:
        async with stream:
            async for item in stream:
                items.append(item)
    return items, anyio.current_time() - start, caught.value


@pytest.mark.parametrize("limit", [5, 5.0, timedelta(seconds=5)])
async def test_the_limit_for_an_item(limit: Any) -> None:
    """An item that does not come within `item_timeout` ends the stream at that time."""
    stream = cancelable_stream(paced((4, 1), (4.9, 2), (5.1, 3)), item_timeout=limit)
    items, took, error = await timed_out(stream)
    assert items == [1, 2]
    assert took == pytest.approx(13.9)
    assert error.message == "no item within 5 s"
    context = error.context
    assert context is not None
    assert context.cancel_origin == "item_timeout"


@pytest.mark.parametrize("limit", [5, 5.0, timedelta(seconds=5)])
async def test_the_limit_in_all(limit: Any) -> None:
    """The waits for all items together may take `timeout`."""
    items, took, error = await timed_out(cancelable_stream(paced((2, 1), (2, 2), (2, 3)), timeout=limit))
    assert items == [1, 2]
    assert took == pytest.approx(5)
    assert error.message == "waited for 5 s in all"
    assert error.context is not None
    assert error.context.cancel_origin == "timeout"


@pytest.mark.parametrize(
    ("timeout", "item_timeout", "took", "message"),
    [
        (10, 3, 5, "no item within 3 s"),
        (4, 3, 4, "waited for 4 s in all"),
        (3, 10, 3, "waited for 3 s in all"),
        (5, 3, 5, "waited for 5 s in all"),
        (0.3, 0.3, 0.3, "waited for 0.3 s in all"),
    ],
)
async def test_the_smaller_limit_wins(timeout: float, item_timeout: float, took: float, message: str) -> None:
    """Whichever limit is reached first ends the stream, and is named; of two at the same time the one in all."""
    stream = cancelable_stream(paced((2, 1), (100, 2)), timeout=timeout, item_timeout=item_timeout)
    _, seconds, error = await timed_out(stream)
    assert seconds == pytest.approx(took)
    assert error.message == message


async def test_limits_are_named_right_at_any_time() -> None:
    """At whatever time of the loop's clock a stream begins to wait, rounding does not change which limit is named."""
    for number in range(1, 300):
        await anyio.sleep(0.1 * number)
        _, _, error = await timed_out(cancelable_stream(paced((100, 1)), timeout=0.1 * number))
        assert error.message == f"waited for {0.1 * number:g} s in all"


@pytest.mark.parametrize("inside", [False, True])
async def test_the_consumers_time_does_not_count(inside: bool) -> None:
    """Neither limit fires in the consumer's body, or counts the time that it takes."""
    async with Cancelable() as operation:
        source, given = paced((1, 1), (1, 2), (1, 3)), operation if inside else None
        stream = cancelable_stream(source, given, timeout=3.5, item_timeout=1.5)
        items: list[int] = []
        async with stream:
            async for item in stream:
                await anyio.sleep(1000)
                items.append(item)
    assert items == [1, 2, 3]
    assert stream.partial.completed


async def test_an_item_in_spite_of_the_interruption() -> None:
    """A source that answers the interruption with an item loses nothing: the item is handed out, the stream goes on."""
    start, items = anyio.current_time(), list[tuple[float, str]]()
    async with cancelable_stream(Stubborn("abc"), item_timeout=2) as stream:
        async for item in stream:
            items.append((round(anyio.current_time() - start, 6), item))
    assert items == [(2, "a"), (4, "b"), (6, "c")]
    assert stream.operation.context.status is OperationStatus.COMPLETED


async def test_a_limit_in_all_that_is_used_up() -> None:
    """When a stubborn source has used up `timeout`, what waits is interrupted at once, and every item still arrives."""
    start, items = anyio.current_time(), list[tuple[float, str]]()
    async with cancelable_stream(Stubborn("abc"), timeout=2) as stream:
        async for item in stream:
            items.append((round(anyio.current_time() - start, 6), item))
    assert items == [(2, "a"), (2, "b"), (2, "c")]


async def test_an_operation_that_was_not_entered() -> None:
    """With an operation that is still to run, the limits end that one."""
    operation = Cancelable(name="given")
    _, took, error = await timed_out(cancelable_stream(paced((9, 1)), operation, item_timeout=3))
    assert took == pytest.approx(3)
    assert error.context is operation.context
    assert operation.context.status is OperationStatus.CANCELLED


async def test_an_operation_that_runs_here() -> None:
    """Inside an operation the limits end the stream alone, and the operation goes on."""
    async with Cancelable(name="given") as operation:
        stream = cancelable_stream(paced((9, 1)), operation, item_timeout=3)
        _, took, _ = await timed_out(stream)
        assert took == pytest.approx(3)
        await anyio.lowlevel.checkpoint()
    assert operation.context.status is OperationStatus.COMPLETED
    assert stream.operation.context.status is OperationStatus.CANCELLED
    assert stream.operation.parent is operation


async def test_an_operation_that_runs_elsewhere() -> None:
    """With an operation of another task the limits end the stream alone."""
    ended = anyio.Event()

    async def hold(*, task_status: anyio.abc.TaskStatus[Cancelable]) -> None:
        async with Cancelable(name="given") as operation:
            task_status.started(operation)
            await ended.wait()

    async with anyio.create_task_group() as group:
        operation = await group.start(hold)
        _, took, _ = await timed_out(cancelable_stream(paced((9, 1)), operation, timeout=3))
        assert took == pytest.approx(3)
        ended.set()
    assert operation.context.status is OperationStatus.COMPLETED


async def test_an_error_of_the_source_within_the_limits() -> None:
    """An error of the source leaves as it is, and is no timeout."""

    async def source() -> AsyncGenerator[int, None]:
        yield 0
        await anyio.sleep(1)
        raise TimeoutError("the source's own")

    async with cancelable_stream(source(), timeout=9, item_timeout=9) as stream:
        assert await anext(stream) == 0
        with pytest.raises(TimeoutError, match="the source's own") as caught:
            await anext(stream)
    assert not isinstance(caught.value, TimeoutCancelation)


async def test_silently() -> None:
    """With `move_on` the stream just ends at the limit, and `partial` tells that it was not complete."""
    operation = Cancelable(move_on=True)
    async with cancelable_stream(paced((1, 1), (9, 2)), operation, item_timeout=3) as stream:
        assert [item async for item in stream] == [1]
    assert operation.is_cancelled
    assert not stream.partial.completed
