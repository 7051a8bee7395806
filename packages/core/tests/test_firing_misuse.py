"""Sources that are written or used wrongly say so, and leave nothing behind."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from hother.cancelable import Cancelable, CancelationSource, ErrorCancelation, Fire, TimeoutCancelation, cancelable

from .shared import Gate
from .wires import Wire


class ArmedOnly(CancelationSource):
    """Has an `arm` and no `wait`, which type checkers accept."""

    def __init__(self, disarm: object = None) -> None:
        self.disarm = disarm

    def arm(self, fire: Fire) -> Any:
        fire.watch(Wire())
        return self.disarm


async def _coroutine() -> None:
    raise AssertionError("never runs")


@pytest.mark.parametrize("make", [_coroutine, bool, str], ids=["a coroutine", "False", "a string"])
async def test_an_arm_that_returns_no_function(make: Callable[[], object]) -> None:
    """The entry fails with a TypeError that names the source; what was armed before is undone."""
    wire = Wire()
    with pytest.raises(TypeError, match="`arm` of ArmedOnly must be a plain function that returns one, or None, not"):
        async with Cancelable(sources=[wire, ArmedOnly(make())]):
            raise AssertionError("the body runs")
    assert wire.log == ["armed", "disarmed"]


async def test_watching_after_the_arming() -> None:
    """A source that has others watched too late hears of it, and nothing is claimed."""
    wire, late = Wire(), Wire("late")
    async with Cancelable.with_source(wire):
        fire = wire.fire
        with pytest.raises(RuntimeError, match="the source late comes too late"):
            fire.watch(late)
    with pytest.raises(RuntimeError, match="the source late comes too late"):
        fire.watch(late)
    async with Cancelable.with_source(late):
        pass
    assert late.log == ["armed", "disarmed"]


@pytest.mark.parametrize("seconds", [0, -1, math.nan, "3", True])
async def test_a_deadline_that_is_none(seconds: Any) -> None:
    """Zero, negative and NaN deadlines of a source are refused, as those of operations are."""
    wire = Wire()
    async with Cancelable.with_source(wire) as operation:
        with pytest.raises((TypeError, ValueError), match="seconds must be"):
            wire.fire.set_deadline(seconds)
        assert operation.deadline is None


async def test_what_a_source_can_read() -> None:
    """`fire` tells when the operation was entered, and whether it was told to stop."""
    wire = Wire()
    before = anyio.current_time()
    async with Cancelable.with_source(wire, move_on=True) as operation:
        assert before <= wire.fire.entered_at <= anyio.current_time()
        assert not wire.fire.is_over
        await operation.cancel()
        assert wire.fire.is_over


@pytest.mark.parametrize("sources", [5, Wire()])
def test_sources_that_are_no_list(sources: Any) -> None:
    """A single source, or something else, in place of a list is a TypeError that shows it."""
    with pytest.raises(TypeError, match="sources must be a list of sources, not"):
        Cancelable(sources=sources)
    with pytest.raises(TypeError, match="sources must be a list of sources, not"):
        cancelable(sources=sources)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
async def test_a_source_that_wants_to_exit(kind: type[BaseException]) -> None:
    """It ends the operation with the reason ERROR and itself as the cause, and never as an exception group."""

    class Exiting(CancelationSource):
        async def wait(self) -> str | None:
            raise kind(7)

    with pytest.raises(ErrorCancelation) as caught:
        async with Cancelable.with_source(Exiting()):
            await anyio.sleep_forever()
    assert isinstance(caught.value.__cause__, kind)


@pytest.mark.loops("asyncio", "uvloop", "eager")
async def test_an_operation_that_is_left_in_another_task() -> None:
    """Its sources are disarmed, their tasks end, and they can be used again."""
    wire, gate = Wire(), Gate()
    operation = Cancelable(sources=[wire, gate])
    may_end = anyio.Event()

    async def enter() -> None:
        await operation.__aenter__()
        await may_end.wait()

    async def leave() -> None:
        with pytest.raises(RuntimeError, match="left in another task"):
            await operation.__aexit__(None, None, None)

    entering = asyncio.create_task(enter())
    await anyio.wait_all_tasks_blocked()
    await asyncio.create_task(leave())
    await anyio.wait_all_tasks_blocked()
    assert wire.log == ["armed", "disarmed"]
    assert gate.log == ["started", "cancelled"]
    may_end.set()
    await entering
    with pytest.raises(TimeoutCancelation):
        async with Cancelable(sources=[wire, gate], timeout=0.01):
            await anyio.sleep_forever()
