"""Sources that end an operation by time make use of its deadline."""

from __future__ import annotations

import anyio
import pytest

from hother.cancelable import Cancelable, CancelationReason, Fire, OperationContext, TimeoutCancelation
from hother.cancelable.core import Disarm

from .wires import Bundle, Wire


class Alarm(Wire):
    """Sets the deadline while it is armed, and notes whether that was done."""

    def __init__(self, seconds: float) -> None:
        super().__init__("the alarm")
        self.seconds = seconds
        self.done: bool | None = None

    def arm(self, fire: Fire) -> Disarm:
        self.done = fire.set_deadline(self.seconds)
        return super().arm(fire)


@pytest.mark.virtual_time
@pytest.mark.parametrize("depth", [0, 1, 3])
async def test_a_source_sets_the_deadline(depth: int) -> None:
    """It counts from entry, can be read, takes no task, and ends the operation as any deadline does, at any depth."""
    alarm, start, tasks = Alarm(7), anyio.current_time(), len(anyio.get_running_tasks())
    source = alarm if depth == 0 else Bundle(alarm)
    for _ in range(depth - 1):
        source = Bundle(source)
    with pytest.raises(TimeoutCancelation, match="not done within 7 s"):
        async with Cancelable.with_source(source) as operation:
            assert alarm.done is True
            assert operation.deadline == pytest.approx(start + 7)
            assert operation.remaining() == pytest.approx(7)
            assert len(anyio.get_running_tasks()) == tasks
            await anyio.sleep_forever()
    assert anyio.current_time() - start == pytest.approx(7)
    assert operation.context.cancel_reason is CancelationReason.TIMEOUT


@pytest.mark.virtual_time
@pytest.mark.parametrize(("timeout", "seconds"), [(3, [9]), (9, [3]), (None, [5, 3]), (5, [4, 3, 9]), (3, [3])])
async def test_the_earliest_deadline_counts(timeout: float | None, seconds: list[float]) -> None:
    """Of the operation's own timeout and those of its sources the shortest holds."""
    start = anyio.current_time()
    alarms = [Alarm(each) for each in seconds]
    with pytest.raises(TimeoutCancelation, match="not done within 3 s"):
        async with Cancelable(timeout=timeout, sources=tuple(alarms)) as operation:
            assert operation.remaining() == pytest.approx(3)
            await anyio.sleep_forever()
    assert [alarm.done for alarm in alarms] == [True] * len(alarms)
    assert anyio.current_time() - start == pytest.approx(3)


@pytest.mark.virtual_time
async def test_the_deadline_of_a_source_can_be_moved_and_lifted() -> None:
    """It is the operation's from then on."""
    start = anyio.current_time()
    async with Cancelable.with_source(Alarm(7)) as operation:
        operation.reschedule(None)
        await anyio.sleep(10)
        operation.reschedule(20)
        await anyio.sleep(15)
    assert operation.is_completed
    with pytest.raises(TimeoutCancelation):
        async with Cancelable.with_source(Alarm(7)) as operation:
            operation.reschedule(2)
            await anyio.sleep_forever()
    assert anyio.current_time() - start == pytest.approx(27)


@pytest.mark.virtual_time
async def test_no_deadline_where_the_source_ends_nothing_alone() -> None:
    """Below a whole that hears its parts nothing is set, at any depth, and the source is told so."""
    alone, heard, deep = Alarm(50), Alarm(1), Alarm(1)
    whole = Bundle(alone, Bundle(heard, Bundle(deep), then=lambda _: None))
    async with Cancelable.with_source(whole) as operation:
        assert (alone.done, heard.done, deep.done) == (True, False, False)
        assert operation.remaining() == pytest.approx(50)
        await anyio.sleep(20)
    assert operation.is_completed


@pytest.mark.virtual_time
@pytest.mark.parametrize(("moved", "expected"), [(None, 5), (1, 4), (4, 5)])
async def test_a_deadline_that_was_moved_at_the_start(moved: float | None, expected: float) -> None:
    """It counts from entry, also where callbacks took their time, and moved the operation's own deadline meanwhile."""
    start = anyio.current_time()

    async def take_three_seconds(_: OperationContext) -> None:
        await anyio.sleep(3)
        operation.reschedule(moved)

    operation = Cancelable(timeout=60, sources=[Alarm(5)]).on_start(take_three_seconds)
    with pytest.raises(TimeoutCancelation):
        async with operation:
            assert operation.deadline == pytest.approx(start + expected)
            await anyio.sleep_forever()
    assert anyio.current_time() - start == pytest.approx(expected)


@pytest.mark.virtual_time
async def test_a_deadline_that_has_passed_already() -> None:
    """The body is interrupted at its first checkpoint."""
    start = anyio.current_time()

    async def take_three_seconds(_: OperationContext) -> None:
        await anyio.sleep(3)

    operation = Cancelable.with_source(Alarm(2)).on_start(take_three_seconds)
    with pytest.raises(TimeoutCancelation, match="not done within 2 s"):
        async with operation:
            await anyio.sleep_forever()
    assert anyio.current_time() - start == pytest.approx(3)
