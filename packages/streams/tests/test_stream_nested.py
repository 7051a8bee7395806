"""Streams of streams."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator

import anyio
import pytest

from hother.cancelable import (
    Cancelable,
    CancelationReason,
    CancelationToken,
    ManualCancelation,
    TimeoutCancelation,
    cancelable_stream,
    current_operation,
)

from .shared import WAYS, Source, count, every, settle, stream_maker

pytestmark = pytest.mark.virtual_time


@pytest.mark.parametrize("inner_way", WAYS)
@pytest.mark.parametrize("outer_way", ["inside", "inside, buffered", "with limits"])
@pytest.mark.parametrize("managed", [False, True])
async def test_a_stream_of_a_stream(outer_way: str, inner_way: str, managed: bool) -> None:
    """Every item passes both, and leaving the outer one closes the inner one and its source."""
    source = Source()
    async with stream_maker(outer_way) as outer_of, stream_maker(inner_way) as inner_of:
        before = current_operation()
        assert [number async for number in outer_of(inner_of(count(3)))] == [0, 1, 2]
        inner = inner_of(source())
        if managed:
            async with outer_of(inner) as outer:
                async for _ in outer:
                    break
        else:
            async for _ in outer_of(inner):
                break
            await settle()
        assert source.log == ["GeneratorExit", "closed"]
        assert current_operation() is before
        assert inner.partial.count == 1
        assert inner.operation.is_running is inner_way.startswith("inside")


@pytest.mark.parametrize(
    ("inner_limit", "outer_limit", "message"),
    [(5, 8, "no item within 5 s"), (8, 5, "no item within 5 s"), (5, 5, "no item within 5 s")],
)
async def test_limits_of_both(inner_limit: float, outer_limit: float, message: str) -> None:
    """The shorter limit ends both, and which of them it was stays visible."""

    async def stalling() -> AsyncGenerator[int, None]:
        yield 1
        await anyio.sleep(math.inf)

    since = anyio.current_time()
    inner = cancelable_stream(stalling(), item_timeout=inner_limit)
    outer = cancelable_stream(inner, item_timeout=outer_limit)
    with pytest.raises(TimeoutCancelation, match=message):
        async for _ in outer:
            pass
    assert anyio.current_time() - since == pytest.approx(5)
    assert inner.operation.parent is outer.operation
    if inner_limit < outer_limit:
        assert inner.operation.context.cancel_reason is CancelationReason.TIMEOUT
        assert outer.operation.context.error is not None
    if outer_limit < inner_limit:
        assert outer.operation.context.cancel_reason is CancelationReason.TIMEOUT
        assert inner.operation.is_cancelled


async def test_the_time_of_the_consumer_counts_for_neither() -> None:
    """The inner stream is closed to its limits, too, while the outer one's consumer works."""
    inner = cancelable_stream(every(2), item_timeout=5, timeout=20)
    items = list[int]()
    async with cancelable_stream(inner, item_timeout=5, timeout=20) as outer:
        async for number in outer:
            items.append(number)
            await anyio.sleep(100)
            if number == 5:
                break
    assert items == [0, 1, 2, 3, 4, 5]
    assert inner.operation.is_completed
    assert outer.operation.is_completed


@pytest.mark.parametrize("which", ["inner", "outer"])
@pytest.mark.parametrize("between", [True, False])
async def test_a_token_of_each(which: str, between: bool) -> None:
    """A cancel of either ends both, while they wait as between items, and leaves nothing on the tokens."""
    tokens, source = {"inner": CancelationToken(), "outer": CancelationToken()}, Source()
    inner = cancelable_stream(source(hold_at=2), token=tokens["inner"])
    outer = cancelable_stream(inner, token=tokens["outer"])
    async with anyio.create_task_group() as group:

        async def cancel() -> None:
            await source.asked.wait()
            tokens[which].cancel_sync("enough")

        group.start_soon(cancel)
        with pytest.raises(ManualCancelation, match="enough"):
            async for number in outer:
                if between and number == 1:
                    tokens[which].cancel_sync("enough")
        group.cancel_scope.cancel()
    assert source.log[-1] in ("closed", "cancelled")
    assert outer.partial.count == inner.partial.count == 2
    assert {name: len(token._listeners) for name, token in tokens.items()} == {"inner": 0, "outer": 0}


async def test_a_stream_iterated_while_another_one_is() -> None:
    """Two streams in one operation, item by item, do not get in each other's way."""
    pairs = list[tuple[int, int]]()
    async with Cancelable() as operation:
        first = operation.stream(every(1, 3), item_timeout=5)
        second = cancelable_stream(every(1, 5), timeout=10)
        async for number in first:
            pairs.append((number, await anext(second)))
        assert [number async for number in second] == [3, 4]
    assert pairs == [(0, 0), (1, 1), (2, 2)]
    assert first.operation.is_completed
    assert second.operation.is_completed
