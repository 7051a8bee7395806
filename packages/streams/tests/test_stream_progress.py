"""Telling how far a stream has got."""

from __future__ import annotations

import functools
import logging
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from hother.cancelable import Cancelable, ManualCancelation, cancelable_stream, current_operation
from hother.cancelable.streams.reporting import CALLBACK_TIMEOUT

from .shared import count, every

Call = tuple[int, int]


@pytest.mark.parametrize("sync", [True, False])
@pytest.mark.parametrize("inside", [True, False])
async def test_a_function_for_each_item(sync: bool, inside: bool) -> None:
    """It gets the count and the latest item before the consumer gets the item, in the stream's operation."""
    calls, seen = list[Call](), list[Cancelable | None]()

    def note(number: int, item: Any) -> None:
        calls.append((number, item))
        seen.append(current_operation())

    async def note_later(number: int, item: Any) -> None:
        await checkpoint()
        note(number, item)

    async with Cancelable() as operation:
        stream = cancelable_stream(count(3), operation if inside else None, on_progress=note if sync else note_later)
        async for number in stream:
            assert calls[-1] == (number + 1, number)
        assert calls == [(1, 0), (2, 1), (3, 2)]
        assert set(seen) == {stream.operation}


async def test_a_function_for_some_items() -> None:
    """With an interval it is called after every so many items."""
    calls = list[Call]()
    stream = cancelable_stream(count(7), report_interval=3, on_progress=lambda *call: calls.append(call))
    assert [number async for number in stream] == list(range(7))
    assert calls == [(3, 2), (6, 5)]


async def test_other_kinds_of_functions() -> None:
    """A partial, a method and an object with `__call__` will do, and what they return does not matter."""
    calls = list[Call]()

    class Counter:
        async def __call__(self, number: int, item: Any) -> str:
            calls.append((number, item))
            return "thanks"

        def method(self, number: int, item: Any) -> int:
            calls.append((number, item))
            return number

    for function in (Counter(), Counter().method, functools.partial(Counter().method)):
        _ = [number async for number in cancelable_stream(count(1), on_progress=function)]
    assert calls == [(1, 0)] * 3


@pytest.mark.parametrize("inside", [True, False])
async def test_reports_through_the_operation(inside: bool) -> None:
    """Those who follow the operation that was given learn the count, and never see an item."""
    reports = list[tuple[str, Any, Any]]()
    operation = Cancelable().on_progress(lambda *report: reports.append(report))
    async with operation:
        stream = operation.stream(count(5), report_interval=2, timeout=None if inside else 60)
        assert [number async for number in stream] == [0, 1, 2, 3, 4]
        assert (stream.operation is operation) is inside
    identity = operation.operation_id
    assert reports == [(identity, "2 items", {"count": 2}), (identity, "4 items", {"count": 4})]


async def test_reports_of_a_stream_by_itself() -> None:
    """They go through the stream's own operation."""
    reports = list[tuple[str, Any, Any]]()
    stream = cancelable_stream(count(2), report_interval=1, operation_id="op-1")
    stream.operation.on_progress(lambda *report: reports.append(report))
    _ = [number async for number in stream]
    assert reports == [("op-1", "1 items", {"count": 1}), ("op-1", "2 items", {"count": 2})]


@pytest.mark.parametrize("sync", [True, False])
async def test_a_function_that_fails(sync: bool, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged each time, and the stream goes on."""

    def fail(number: int, item: Any) -> None:
        raise StopAsyncIteration(number)

    async def fail_later(number: int, item: Any) -> None:
        await checkpoint()
        raise KeyError(number)

    stream = cancelable_stream(count(2), on_progress=fail if sync else fail_later)
    assert [number async for number in stream] == [0, 1]
    assert [(each.name, each.levelno) for each in caplog.records] == [("hother.cancelable", logging.ERROR)] * 2
    assert "fail" in caplog.records[0].getMessage()
    assert stream.operation.is_completed


@pytest.mark.virtual_time
@pytest.mark.parametrize("report", [True, False])
async def test_a_function_that_hangs(report: bool, caplog: pytest.LogCaptureFixture) -> None:
    """It is cut off after a while, with a warning, and does not count as waiting for the item."""

    async def hang(*_: object) -> None:
        await anyio.sleep_forever()

    operation = Cancelable()
    if report:
        operation.on_progress(hang)
    since = anyio.current_time()
    options: dict[str, Any] = {"report_interval": 1} if report else {"on_progress": hang}
    stream = operation.stream(every(1, 2), item_timeout=2, timeout=3, **options)
    assert [number async for number in stream] == [0, 1]
    assert anyio.current_time() - since == pytest.approx(2 * (1 + CALLBACK_TIMEOUT))
    assert [each.levelno for each in caplog.records] == [logging.WARNING] * 2
    assert f"cut off after {CALLBACK_TIMEOUT:g} s" in caplog.records[0].getMessage()


@pytest.mark.virtual_time
@pytest.mark.parametrize("inside", [True, False])
async def test_a_cancel_during_the_function(inside: bool) -> None:
    """The function runs to its end, and its item is handed out, before the stream ends."""
    done, items = list[int](), list[int]()

    async def slow(number: int, item: Any) -> None:
        if number == 2:
            await operation.cancel("enough")
        await anyio.sleep(1)
        done.append(item)

    operation = Cancelable()
    with pytest.raises(ManualCancelation, match="enough"):
        if inside:
            async with operation:
                async for number in operation.stream(count(), on_progress=slow):
                    items.append(number)
        else:
            async for number in operation.stream(count(), on_progress=slow):
                items.append(number)
    assert done == items == [0, 1]


async def test_a_sync_function_that_cancels() -> None:
    """The item is still handed out."""
    operation, items = Cancelable(move_on=True), list[int]()
    stream = operation.stream(count(), on_progress=lambda number, _: number == 3 and operation.cancel_sync())
    async for number in stream:
        items.append(number)
    assert items == [0, 1, 2]
    assert operation.is_cancelled
