"""Conditions in each place that takes one: factories, decorators, generators, composites, by hand, again."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from hother.cancelable import Cancelable, CancelationReason, ConditionCancelation, cancelable, cancelable_with_condition
from hother.cancelable.sources import ConditionSource

from .asking import Answers, AsyncAnswers, is_idle, now

MAKE = pytest.mark.parametrize("make", [Answers, AsyncAnswers])


@pytest.mark.virtual_time
@MAKE
async def test_with_condition(make: type[Answers]) -> None:
    """The factory makes the source from the same arguments, and takes the options of an operation."""
    ask, start = make(False, False, True), now()
    operation = Cancelable.with_condition(ask, 0.5, "enough", name="report", move_on=True)
    async with operation:
        await anyio.sleep(60)
    assert now() - start == pytest.approx(1)
    assert operation.context.name == "report"
    assert operation.context.cancel_origin == "enough"
    assert is_idle()


@pytest.mark.virtual_time
@MAKE
async def test_decorated_function(make: type[Answers]) -> None:
    """Each call is an operation with a condition of its own, so calls may run at the same time."""
    ask = make(*[False] * 4, True)

    @cancelable_with_condition(ask, 0.5, condition_name="enough", name="work")
    async def work() -> None:
        await anyio.sleep(60)

    async def expect() -> None:
        with pytest.raises(ConditionCancelation, match=r"'work' was cancelled .*'enough' became true"):
            await work()

    start = now()
    async with anyio.create_task_group() as group:
        for _ in range(2):
            group.start_soon(expect)
    assert [asked - start for asked in ask.asked] == pytest.approx([0, 0, 0.5, 0.5, 1, 1])
    assert is_idle()


async def test_in_thread_reaches_the_source() -> None:
    """`in_thread=True` given to the factory or the decorator has the predicate asked outside the loop's thread."""
    threads: list[threading.Thread] = []

    def predicate() -> bool:
        threads.append(threading.current_thread())
        return True

    @cancelable_with_condition(predicate, in_thread=True)
    async def work() -> None:
        await anyio.sleep_forever()

    with anyio.fail_after(10):
        with pytest.raises(ConditionCancelation):
            await work()
        async with Cancelable.with_condition(predicate, in_thread=True, move_on=True):
            await anyio.sleep_forever()
    assert len(threads) == 2
    assert threading.current_thread() not in threads


@pytest.mark.virtual_time
@MAKE
async def test_added_to_an_operation(make: type[Answers]) -> None:
    """`add_source` takes conditions beside other sources, and the first one of all counts."""
    operation = Cancelable.with_timeout(60, move_on=True)
    operation.add_source(ConditionSource(make(False, False, True), condition_name="late"))
    operation.add_source(ConditionSource(make(False, True), condition_name="early"))
    async with operation:
        await anyio.sleep_forever()
    assert operation.context.cancel_origin == "early"
    assert is_idle()


@pytest.mark.virtual_time
@MAKE
async def test_one_source_after_the_other_operation(make: type[Answers]) -> None:
    """A source may serve again once its operation has ended; it begins with a check at once."""
    ask = make(False, True, False, False, True)
    source = ConditionSource(ask)
    start = now()
    for _ in range(2):
        with pytest.raises(ConditionCancelation):
            async with Cancelable.with_source(source):
                await anyio.sleep(60)
    assert [asked - start for asked in ask.asked] == pytest.approx([0, 0.1, 0.1, 0.2, 0.3])


async def test_a_source_that_is_in_use() -> None:
    """A second operation at the same time is refused, and the first one goes on."""
    source = ConditionSource(Answers(False))
    async with Cancelable.with_source(source, name="first") as first:
        with pytest.raises(RuntimeError, match="is used by operation 'first'"):
            async with Cancelable.with_source(source):
                raise AssertionError("the body runs")
    assert first.is_completed
    assert is_idle()


@pytest.mark.virtual_time
@MAKE
async def test_awaited_by_hand(make: type[Answers]) -> None:
    """`wait()` asks at the same times as an operation does, and returns the message."""
    ask, start = make(False, False, True), now()
    message = await ConditionSource(ask, condition_name="enough").wait()
    assert message == "the condition 'enough' became true"
    assert [asked - start for asked in ask.asked] == pytest.approx([0, 0.1, 0.2])
    assert is_idle()


@pytest.mark.virtual_time
@MAKE
async def test_awaited_by_hand_in_vain(make: type[Answers]) -> None:
    """`wait()` raises what the predicate raises, and can be cancelled; nothing is asked afterwards."""
    with pytest.raises(OSError, match="gone"):
        await ConditionSource(make(False, OSError("gone"))).wait()
    ask = make(False)
    with anyio.move_on_after(0.25) as scope:
        await ConditionSource(ask).wait()
    assert scope.cancelled_caught
    assert len(ask.asked) == 3
    assert is_idle()


@pytest.mark.virtual_time
@pytest.mark.parametrize("operator", ["|", "&"])
async def test_sync_and_async_in_a_composite(operator: str) -> None:
    """Any-of ends with the first condition, all-of with the last."""
    early = ConditionSource(Answers(False, True), condition_name="early")
    late = ConditionSource(AsyncAnswers(False, False, True), condition_name="late")
    source = early | late if operator == "|" else early & late
    async with Cancelable.with_source(source, move_on=True) as operation:
        await anyio.sleep(60)
    assert operation.context.cancel_origin == ("early" if operator == "|" else "late")
    assert operation.context.cancel_reason is CancelationReason.CONDITION
    assert is_idle()


async def _numbers() -> AsyncGenerator[int]:
    for number in range(10):
        await anyio.sleep(0.1)
        yield number


@pytest.mark.virtual_time
async def test_generator_whose_consumer_is_at_work() -> None:
    """A sync condition is asked meanwhile, too: the consumer is left alone, the generator ends at the next item."""
    ask, items = Answers(*[False] * 4, True), list[int]()
    numbers: Callable[[], AsyncGenerator[int]] = cancelable_with_condition(ask)(_numbers)
    start = now()
    with pytest.raises(ConditionCancelation):
        async for number in numbers():
            await anyio.sleep(1)
            items.append(number)
    assert items == [0]
    assert now() - start == pytest.approx(1.1)
    assert len(ask.asked) == 5
    assert is_idle()


@pytest.mark.virtual_time
async def test_generator_with_an_async_condition() -> None:
    """It is asked while the generator works, beginning anew with each item; never while the consumer does."""
    at_work, asked, items = [False], list[bool](), list[int]()

    async def predicate() -> bool:
        asked.append(at_work[0])
        return len(items) == 2

    @cancelable(sources=[ConditionSource(predicate, 0.04)])
    async def numbers() -> AsyncGenerator[Any]:
        async for number in _numbers():
            yield number

    with pytest.raises(ConditionCancelation):
        async for number in numbers():
            at_work[0] = True
            await anyio.sleep(1)
            items.append(number)
            at_work[0] = False
    assert items == [0, 1]
    assert asked == [False] * 7
    assert is_idle()


@pytest.mark.virtual_time
@MAKE
async def test_generator_that_is_closed_early(make: type[Answers]) -> None:
    """Nobody is asked after `aclose()`."""
    ask = make(False)
    numbers: Callable[[], AsyncGenerator[int]] = cancelable_with_condition(ask)(_numbers)
    iterator = numbers()
    await anext(iterator)
    await iterator.aclose()
    asked = len(ask.asked)
    assert is_idle()
    await anyio.lowlevel.checkpoint()
    await anyio.sleep(1)
    assert len(ask.asked) == asked
