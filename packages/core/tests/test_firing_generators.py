"""Sources of decorated async generators: they are watched and held between the items, too."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import anyio
import anyio.lowlevel
import pytest

from hother.cancelable import Cancelable, CancelationSource, DisconnectCancelation, cancelable

from .shared import Gate
from .wires import Bundle, Wire


def numbers(*sources: CancelationSource) -> AsyncGenerator[int]:
    """Count up to three, ended by sources."""

    @cancelable(sources=sources, name="numbers")
    async def count() -> AsyncGenerator[int]:
        for number in range(3):
            await anyio.lowlevel.checkpoint()
            yield number

    return count()


async def refused(source: CancelationSource) -> bool:
    """Tell whether a source is in use by the generator."""
    try:
        async with Cancelable.with_source(source):
            return False
    except RuntimeError as error:
        assert "is used by operation 'numbers'" in str(error)
        return True


@pytest.mark.parametrize("ending", ["exhausted", "closed early"])
async def test_sources_are_held_between_the_items(ending: str) -> None:
    """Whole and parts are in use from the first item to the end, also while the generator waits for its consumer."""
    wire, gate = Wire(), Gate()
    whole = Bundle(wire, Bundle(gate))
    items = numbers(whole)
    assert not await refused(whole)
    async with aclosing(items):
        async for _ in items:
            for source in (whole, wire, gate):
                assert await refused(source)
            if ending == "closed early":
                break
    for source in (whole, wire, gate):
        assert not await refused(source)


async def test_armed_parts_stay_armed_and_others_start_anew() -> None:
    """Between the items no task runs for a part that waits, while an armed part goes on watching."""
    wire, gate = Wire(), Gate()
    before = len(anyio.get_running_tasks())
    async with aclosing(numbers(Bundle(gate, wire))) as items:
        async for number in items:
            assert wire.log == ["armed"]
            assert len(anyio.get_running_tasks()) == before
            assert gate.log == ["started", "cancelled"] * (number + 1)
    assert wire.log == ["armed", "disarmed"]
    assert gate.log.count("started") == gate.log.count("cancelled")


async def test_a_part_that_fires_between_the_items() -> None:
    """The consumer is not interrupted; the generator is at its next item, and then all is free."""
    wire, got = Wire(), list[int]()
    whole = Bundle(wire)
    with pytest.raises(DisconnectCancelation, match="meanwhile"):
        async for number in numbers(whole):
            wire.fire("meanwhile")
            await anyio.lowlevel.checkpoint()
            got.append(number)
    assert got == [0]
    assert wire.log == ["armed", "disarmed"]
    assert not await refused(whole)
    assert not await refused(wire)


async def test_a_generator_whose_source_is_in_use() -> None:
    """Its first item is refused and its other sources are free; the operation that has the source goes on."""
    wire, other = Wire(), Wire()
    async with Cancelable.with_source(wire, name="first") as operation:
        with pytest.raises(RuntimeError, match="the source the wire is used by operation 'first'"):
            async for _ in numbers(other, wire):
                raise AssertionError("an item came")
        assert operation.is_running
        assert other.log == ["armed", "disarmed"]
        assert not await refused(other)
    assert [number async for number in numbers(other, wire)] == [0, 1, 2]
