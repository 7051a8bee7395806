"""The times that a stream may wait: for each item and in all, never in the consumer's body."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Callable
from datetime import timedelta

import anyio
import pytest

from hother.cancelable import (
    Cancelable,
    CancelationReason,
    OperationContext,
    OperationStatus,
    TimeoutCancelation,
    cancelable_stream,
)
from hother.cancelable.streams import CancelableAsyncIterator

from .shared import count_at_once, every

pytestmark = pytest.mark.virtual_time


def _facts(context: OperationContext) -> tuple[object, ...]:
    return context.status, context.cancel_reason, context.cancel_message, context.cancel_origin


async def _stalling(after: int, seconds: float = math.inf) -> AsyncGenerator[int, None]:
    """Count, and stall once."""
    for number in range(after):
        yield number
    await anyio.sleep(seconds)
    yield after


@pytest.mark.parametrize("limit", [5, 5.0, timedelta(seconds=5)])
async def test_an_item_that_takes_too_long(limit: float | timedelta) -> None:
    """The stream ends with a timeout that says how long it waited; what came before was handed out."""
    items, since = list[int](), anyio.current_time()
    stream = cancelable_stream(_stalling(3), item_timeout=limit)
    with pytest.raises(TimeoutCancelation, match="no item within 5 s") as caught:
        async for number in stream:
            items.append(number)
    assert items == [0, 1, 2]
    assert anyio.current_time() - since == pytest.approx(5)
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.context is stream.operation.context
    expected = (OperationStatus.CANCELLED, CancelationReason.TIMEOUT, "no item within 5 s", "item_timeout")
    assert _facts(stream.operation.context) == expected
    assert (stream.partial.count, stream.partial.completed) == (3, False)
    assert [number async for number in stream] == []


@pytest.mark.parametrize("limit", [30, timedelta(seconds=30)])
async def test_items_that_take_too_long_in_all(limit: float | timedelta) -> None:
    """The waiting over the whole stream is bounded, however quick each item is."""
    items, since = list[int](), anyio.current_time()
    stream = cancelable_stream(every(4), timeout=limit)
    with pytest.raises(TimeoutCancelation, match="waited for 30 s in all"):
        async for number in stream:
            items.append(number)
            await anyio.sleep(1000)
    assert items == list(range(7))
    assert anyio.current_time() - since == pytest.approx(7030)
    expected = (OperationStatus.CANCELLED, CancelationReason.TIMEOUT, "waited for 30 s in all", "timeout")
    assert _facts(stream.operation.context) == expected


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: cancelable_stream(_stalling(3), timeout=30, item_timeout=5), "no item within 5 s"),
        (lambda: cancelable_stream(every(4), timeout=30, item_timeout=5), "waited for 30 s in all"),
        (lambda: cancelable_stream(_stalling(3), timeout=5, item_timeout=30), "waited for 5 s in all"),
    ],
    ids=["each", "all", "all at once"],
)
async def test_both_limits(make: Callable[[], CancelableAsyncIterator[int]], message: str) -> None:
    """Whichever is over first ends the stream, and its record names it."""
    stream = make()
    with pytest.raises(TimeoutCancelation, match=message):
        async for _ in stream:
            pass
    assert stream.operation.context.cancel_message == message


@pytest.mark.parametrize("inside", [False, True])
async def test_a_consumer_that_is_slower_than_the_limits(inside: bool) -> None:
    """Its time does not count, before, between and after the items, and nothing fires in its body."""
    items = list[int]()
    async with Cancelable() as operation:
        given = operation if inside else None
        stream = cancelable_stream(every(1, 5), given, timeout=6, item_timeout=2)
        await anyio.sleep(100)
        async with stream:
            async for number in stream:
                items.append(number)
                await anyio.sleep(100)
            await anyio.sleep(100)
    assert items == [0, 1, 2, 3, 4]
    assert stream.partial.completed
    assert stream.operation.is_completed
    assert operation.is_completed


async def test_a_break_before_a_limit() -> None:
    """Nothing fires later."""
    stream = cancelable_stream(every(1), timeout=6, item_timeout=2)
    async with stream:
        async for _ in stream:
            break
    await anyio.sleep(100)
    assert stream.operation.is_completed
    assert not stream.operation.cancel_requested


async def test_limits_inside_an_operation() -> None:
    """The stream is a child then: what leaves the loop ends the operation around it only where nobody takes it."""
    async with Cancelable(name="job") as operation:
        with pytest.raises(TimeoutCancelation, match="no item within 5 s"):
            async for _ in operation.stream(_stalling(1), item_timeout=5):
                pass
        assert not operation.cancel_requested
        stream = operation.stream(_stalling(1), item_timeout=5)
        with pytest.raises(TimeoutCancelation):
            _ = [number async for number in stream]
        assert stream.operation.parent is operation
        assert stream.operation.context.parent_id == operation.operation_id
    assert operation.is_completed


async def test_limits_of_an_operation_that_was_not_entered() -> None:
    """The operation given becomes the stream's own, with these limits; it moves on where it was told so."""
    operation = Cancelable(name="job", move_on=True)
    stream = operation.stream(_stalling(2), item_timeout=5)
    assert [number async for number in stream] == [0, 1]
    expected = (OperationStatus.CANCELLED, CancelationReason.TIMEOUT, "no item within 5 s", "item_timeout")
    assert _facts(operation.context) == expected
    assert (stream.partial.count, stream.partial.completed) == (2, False)


async def test_the_deadline_of_the_operation_given() -> None:
    """An operation counts all the time from its entry, its consumer's too, and fires where the stream waits."""
    operation = Cancelable.with_timeout(10, name="job")
    items = list[int]()
    with pytest.raises(TimeoutCancelation, match="not done within 10 s"):
        async for number in operation.stream(every(3)):
            items.append(number)
            await anyio.sleep(3)
    assert items == [0, 1]
    operation = Cancelable.with_timeout(10, name="job")
    with pytest.raises(TimeoutCancelation, match="not done within 10 s"):
        async for number in operation.stream(every(3)):
            await anyio.sleep(100)
            items.append(number)
    assert items == [0, 1, 0]


async def test_items_that_come_late() -> None:
    """An item that nothing could keep from coming is handed out, however late."""

    async def late() -> AsyncGenerator[int, None]:
        for number in range(2):
            with anyio.CancelScope(shield=True):
                await anyio.sleep(10)
            yield number

    stream = cancelable_stream(late(), item_timeout=5)
    assert [number async for number in stream] == [0, 1]
    assert stream.operation.is_completed


async def test_items_that_come_at_once() -> None:
    """What does not wait is not late, however short the time is."""
    assert [number async for number in cancelable_stream(count_at_once(3), timeout=1e-9)] == [0, 1, 2]
