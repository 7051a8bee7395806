"""Composites beyond one operation: awaited by hand, used again, and in async generators."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from hother.cancelable import (
    Cancelable,
    CancelationReason,
    CancelationSource,
    Cause,
    ConditionCancelation,
    DisconnectCancelation,
    TimeoutCancelation,
    cancelable,
    current_operation,
)
from hother.cancelable.sources import AllOfSource, AnyOfSource, TimeoutSource

from .shared import Gate, Wire, count_tasks


async def _wait(composite: CancelationSource, got: list[Any]) -> None:
    try:
        got.append(await composite.wait())
    except OSError as error:
        got.append(error)


async def test_a_composite_awaited_by_hand() -> None:
    """`wait()` returns the record of the part that fired, and leaves nothing."""
    wire, gate, got = Wire(), Gate(), list[Any]()
    composite = AllOfSource(wire, gate)
    before = count_tasks()
    async with anyio.create_task_group() as group:
        group.start_soon(_wait, composite, got)
        await anyio.wait_all_tasks_blocked()
        gate.event.set()
        await anyio.wait_all_tasks_blocked()
        assert got == []
        wire.fire("cut")
    (cause,) = got
    assert isinstance(cause, Cause)
    assert cause[:3] == (CancelationReason.DISCONNECT, "cut", "the wire")
    assert wire.log == ["armed", "disarmed"]
    assert count_tasks() == before


@pytest.mark.parametrize("armed", [True, False])
async def test_a_composite_awaited_by_hand_whose_part_breaks(armed: bool) -> None:
    """`wait()` raises what broke the part."""
    wire, got, error = Wire(), list[Any](), OSError("broken")
    gate = Gate(error=error)
    async with anyio.create_task_group() as group:
        group.start_soon(_wait, AllOfSource(AnyOfSource(wire), gate), got)
        await anyio.wait_all_tasks_blocked()
        if armed:
            wire.fire.fail(error)
        else:
            gate.event.set()
    assert got == [error]


async def test_waiting_by_hand_can_be_cut_off() -> None:
    """A scope around `wait()` ends it as it ends any other call, and the parts are free afterwards."""
    wire, gate = Wire(), Gate()
    composite = wire & gate
    for _ in range(2):
        with anyio.CancelScope() as scope:
            scope.cancel()
            await composite.wait()
        assert scope.cancelled_caught
    with anyio.fail_after(10), pytest.raises(DisconnectCancelation, match="cut"):
        async with Cancelable.with_source(wire):
            wire.fire("cut")
            await anyio.sleep_forever()


async def test_waiting_by_hand_in_an_operation() -> None:
    """It ends with the operation around it, which keeps its own reason."""
    wire = Wire()
    with pytest.raises(DisconnectCancelation, match="around"):
        async with Cancelable.with_source(wire) as operation:
            wire.fire("around")
            await AllOfSource(Wire(), Gate()).wait()
    assert operation.is_cancelled
    assert current_operation() is None


async def test_waiting_by_hand_beyond_an_operation() -> None:
    """A task that outlives the operation that it was started in goes on waiting: only a part ends that."""
    wire, got = Wire(), list[Any]()
    async with anyio.create_task_group() as group:
        async with Cancelable(move_on=True) as operation:
            group.start_soon(_wait, AllOfSource(wire), got)
            await anyio.wait_all_tasks_blocked()
            await operation.cancel("the operation")
            await anyio.sleep_forever()
        await anyio.wait_all_tasks_blocked()
        assert got == []
        wire.fire("the part")
    assert [cause.message for cause in got] == ["the part"]


async def test_waiting_by_hand_for_what_is_in_use() -> None:
    """The error names the source and its operation."""
    composite = AllOfSource(Wire(), Wire())
    async with Cancelable.with_source(composite, name="first"):
        with pytest.raises(RuntimeError, match="the source AllOfSource is used by operation 'first'"):
            await composite.wait()


@pytest.mark.virtual_time
async def test_a_custom_source_that_awaits_a_composite() -> None:
    """Its record is handed on, so the operation shows the part that fired."""

    class Patient(CancelationSource):
        async def wait(self) -> str | Cause | None:
            return await AllOfSource(TimeoutSource(3, "short"), TimeoutSource(4, "long")).wait()

    start = anyio.current_time()
    with pytest.raises(TimeoutCancelation, match="not done within 4 s"):
        async with Cancelable.with_source(Patient()) as operation:
            await anyio.sleep_forever()
    assert anyio.current_time() - start == pytest.approx(4)
    assert operation.context.cancel_origin == "long"


@pytest.mark.parametrize("kind", [AnyOfSource, AllOfSource])
async def test_a_composite_is_used_afresh(kind: Any) -> None:
    """What fired for one operation does not count for the next one."""
    one, two = Wire("one"), Wire("two")
    composite = AllOfSource(kind(one), two)
    for _ in range(2):
        async with Cancelable.with_source(composite) as operation:
            one.fire("again")
            await anyio.lowlevel.checkpoint()
        assert operation.is_completed
    async with Cancelable.with_source(composite) as operation:
        two.fire("the other")
        await anyio.lowlevel.checkpoint()
        assert not operation.cancel_requested
    for last, first in ((one, two), (two, one)):
        with pytest.raises(DisconnectCancelation, match="last"):
            async with Cancelable.with_source(composite) as operation:
                first.fire("first")
                last.fire("last")
                await anyio.sleep_forever()
        assert operation.context.cancel_origin == last.name


@pytest.mark.virtual_time
async def test_timeouts_of_a_composite_count_from_each_entry() -> None:
    """A composite that is used again starts its timeouts anew."""
    composite = AllOfSource(TimeoutSource(3), TimeoutSource(2, "short")) | TimeoutSource(5)
    for _ in range(3):
        start = anyio.current_time()
        with pytest.raises(TimeoutCancelation):
            async with Cancelable.with_source(composite):
                await anyio.sleep_forever()
        assert anyio.current_time() - start == pytest.approx(3)
        await anyio.sleep(1)


def _numbers(composite: CancelationSource) -> AsyncGenerator[int]:
    @cancelable(sources=[composite])
    async def numbers() -> AsyncGenerator[int]:
        for number in range(5):
            await anyio.lowlevel.checkpoint()
            yield number

    return numbers()


async def test_parts_that_fire_between_items() -> None:
    """All-of remembers an armed part that fired for an earlier item, and ends the generator with its last part."""
    one, two, got = Wire("one"), Wire("two"), list[int]()
    with pytest.raises(DisconnectCancelation, match="2"):
        async for number in _numbers(one & two):
            if number in {0, 2}:
                (two if number else one).fire(str(number))
            await anyio.lowlevel.checkpoint()
            got.append(number)
    assert got == [0, 1, 2]
    assert one.log == two.log == ["armed", "disarmed"]


async def test_parts_that_wait_in_a_generator() -> None:
    """A part with a task that fired for an earlier item counts, too."""
    gate, wire, got = Gate(), Wire(), list[int]()

    @cancelable(sources=[gate & wire])
    async def numbers() -> AsyncGenerator[int]:
        for number in range(5):
            await anyio.wait_all_tasks_blocked()
            yield number

    gate.event.set()
    with pytest.raises(DisconnectCancelation, match="at last"):
        async for number in numbers():
            got.append(number)
            gate.event = anyio.Event()
            if number == 1:
                wire.fire("at last")
    assert got == [0, 1]


async def test_a_generator_that_is_closed_early() -> None:
    """Its composite is disarmed and free, and no task is left."""
    wire, gate, before = Wire(), Gate(), count_tasks()
    composite = wire | gate
    async with aclosing(_numbers(composite)) as items:
        async for _ in items:
            break
    assert wire.log == ["armed", "disarmed"]
    assert count_tasks() == before
    gate.event.set()
    with pytest.raises(ConditionCancelation, match="the gate is open"):
        async with Cancelable.with_source(composite):
            await anyio.sleep_forever()
