"""Any of several sources, or all of them, end an operation; the record shows which one did."""

from __future__ import annotations

import threading
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from hother.cancelable import (
    Cancelable,
    CancelationReason,
    CancelationSource,
    CancelationToken,
    ConditionCancelation,
    DisconnectCancelation,
    ErrorCancelation,
    ManualCancelation,
    TimeoutCancelation,
)
from hother.cancelable.sources import AllOfSource, AnyOfSource, CompositeSource, TimeoutSource, TokenSource

from .shared import Gate, Wire, count_tasks


def test_two_names_for_any_of() -> None:
    """`CompositeSource` is `AnyOfSource`, also where they are imported from the top."""
    import hother.cancelable

    assert CompositeSource is AnyOfSource
    assert hother.cancelable.CompositeSource is hother.cancelable.AnyOfSource is AnyOfSource
    assert hother.cancelable.AllOfSource is AllOfSource


@pytest.mark.parametrize("kind", [AnyOfSource, AllOfSource])
def test_several_arguments_or_one_list(kind: Any) -> None:
    """The parts may be given one by one, or together as a list, a tuple or any other iterable."""
    parts = (Wire("a"), Wire("b"), Gate("c"))
    for composite in (kind(*parts), kind(list(parts)), kind(parts), kind(iter(parts))):
        assert composite.sources == parts
    assert kind(parts[0]).sources == kind([parts[0]]).sources == parts[:1]


def test_operators() -> None:
    """`|` makes an any-of and `&` an all-of, which binds tighter."""
    a, b, c = Wire("a"), Gate("b"), TimeoutSource(5, "c")
    either, both, mixed = a | b, a & b, a | b & c
    assert isinstance(either, AnyOfSource)
    assert isinstance(both, AllOfSource)
    assert either.sources == both.sources == (a, b)
    assert isinstance(mixed, AnyOfSource)
    assert mixed.sources[0] is a
    assert isinstance(mixed.sources[1], AllOfSource)
    assert mixed.sources[1].sources == (b, c)


@pytest.mark.parametrize("number", range(3))
async def test_the_first_part_counts(number: int) -> None:
    """Any part ends the operation, with its reason, message and name; all others are stopped."""
    wire, gate, token = Wire(), Gate(), CancelationToken()
    composite = AnyOfSource(wire, gate, TokenSource(token))
    with pytest.raises((DisconnectCancelation, ConditionCancelation, ManualCancelation)):
        async with Cancelable.with_source(composite) as operation:
            await anyio.wait_all_tasks_blocked()
            if number == 0:
                wire.fire("cut")
            elif number == 1:
                gate.event.set()
            else:
                await token.cancel("enough")
            await anyio.sleep_forever()
    context = operation.context
    assert (context.cancel_reason, context.cancel_message) == [
        (CancelationReason.DISCONNECT, "cut"),
        (CancelationReason.CONDITION, "the gate is open"),
        (CancelationReason.MANUAL, "enough"),
    ][number]
    assert number == 2 or context.cancel_origin == ["the wire", "the gate"][number]
    assert wire.log == ["armed", "disarmed"]
    assert not token._listeners


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (2, 0, 1)])
async def test_the_last_part_counts(order: tuple[int, ...]) -> None:
    """All-of goes on until each part has fired; reason, message and name are those of the last."""
    wires, gate = [Wire("first wire"), Wire("second wire")], Gate()
    async with Cancelable.with_source(AllOfSource(*wires, gate), move_on=True) as operation:
        for number in order:
            await anyio.wait_all_tasks_blocked()
            assert not operation.cancel_requested
            if number < 2:
                wires[number].fire(f"cut {number}")
            else:
                gate.event.set()
        await anyio.sleep_forever()
    context = operation.context
    assert (context.cancel_origin, context.cancel_message, context.cancel_reason) == [
        ("first wire", "cut 0", CancelationReason.DISCONNECT),
        ("second wire", "cut 1", CancelationReason.DISCONNECT),
        ("the gate", "the gate is open", CancelationReason.CONDITION),
    ][order[-1]]


async def test_all_of_without_its_last_part() -> None:
    """As long as one part is missing the operation completes, and nothing is on record."""
    wires = [Wire(), Wire(), Wire()]
    async with Cancelable.with_source(AllOfSource(wires)) as operation:
        wires[0].fire("one")
        wires[2].fire("three")
        await anyio.wait_all_tasks_blocked()
    assert operation.is_completed
    assert not operation.cancel_requested


async def test_a_part_that_fires_twice_counts_once() -> None:
    """All-of waits for the other part, however often the first one fires."""
    one, two = Wire("one"), Wire("two")
    with pytest.raises(DisconnectCancelation, match="at last"):
        async with Cancelable.with_source(one & two) as operation:
            for _ in range(5):
                one.fire("again")
                await anyio.lowlevel.checkpoint()
            assert not operation.cancel_requested
            two.fire("at last")
            one.fire("too late")
            await anyio.sleep_forever()
    assert operation.context.cancel_origin == "two"


async def test_an_any_of_inside_an_all_of_counts_once() -> None:
    """Two parts of the any-of do not stand for the part that is missing."""
    one, two, missing = Wire("one"), Wire("two"), Wire("missing")
    with pytest.raises(DisconnectCancelation, match="found"):
        async with Cancelable.with_source((one | two) & missing) as operation:
            one.fire("a")
            two.fire("b")
            await anyio.lowlevel.checkpoint()
            assert not operation.cancel_requested
            missing.fire("found")
            await anyio.sleep_forever()
    assert operation.context.cancel_origin == "missing"


async def test_an_all_of_inside_an_any_of() -> None:
    """It ends the operation when all of its own parts have fired, in the name of the last of them."""
    one, two, other = Wire("one"), Wire("two"), Gate("other")
    with pytest.raises(DisconnectCancelation, match="b"):
        async with Cancelable.with_source(one & two | other) as operation:
            one.fire("a")
            await anyio.lowlevel.checkpoint()
            assert not operation.cancel_requested
            two.fire("b")
            await anyio.sleep_forever()
    assert operation.context.cancel_origin == "two"


@pytest.mark.parametrize("armed", [True, False])
@pytest.mark.parametrize("kind", [AnyOfSource, AllOfSource])
@pytest.mark.parametrize("deep", [False, True])
async def test_a_part_that_breaks_ends_the_operation_at_once(kind: Any, deep: bool, armed: bool) -> None:
    """The others would be waited for in vain: reason ERROR, its name, and its error as cause, at any depth."""
    wire, error = Wire(), OSError("no such file")
    gate = Gate(error=error)
    broken: CancelationSource = wire if armed else gate
    composite = kind(Gate("other"), AllOfSource(Gate("deep"), broken) if deep else broken)
    with pytest.raises(ErrorCancelation, match="failed: OSError") as caught:
        async with Cancelable.with_source(composite) as operation:
            if armed:
                wire.fire.fail(error)
            else:
                gate.event.set()
            await anyio.sleep_forever()
    assert caught.value.__cause__ is error
    assert operation.context.cause is error
    assert operation.context.cancel_origin == ("the wire" if armed else "the gate")


async def test_a_part_that_breaks_when_it_is_not_needed_any_more() -> None:
    """All-of does not wait for a part that has fired already, so that one cannot break it."""
    one, two, missing = Wire("one"), Wire("two"), Wire("missing")
    with pytest.raises(DisconnectCancelation, match="found"):
        async with Cancelable.with_source((one | two) & missing) as operation:
            one.fire("a")
            two.fire.fail(OSError("broken"))
            one.fire.fail(OSError("broken, too"))
            await anyio.lowlevel.checkpoint()
            assert not operation.cancel_requested
            missing.fire("found")
            await anyio.sleep_forever()


async def test_parts_that_wait_at_any_depth() -> None:
    """Parts without `arm` run in a task each, beside the body, wherever they stand."""
    gates = [Gate(str(number)) for number in range(4)]
    composite = (gates[0] & (gates[1] | gates[2])) & AnyOfSource(AllOfSource(gates[3]))
    before = count_tasks()
    with pytest.raises(ConditionCancelation, match="3 is open"):
        async with Cancelable.with_source(composite) as operation:
            await anyio.wait_all_tasks_blocked()
            assert count_tasks() == before + 4
            for gate in (gates[2], gates[0], gates[3]):
                assert not operation.cancel_requested
                gate.event.set()
                await anyio.wait_all_tasks_blocked()
            await anyio.sleep_forever()
    assert count_tasks() == before
    assert operation.context.cancel_origin == "3"
    assert [gate.log for gate in gates] == [["started"]] * 4


async def test_parts_that_are_armed_take_no_task() -> None:
    """Composites of composites of armed parts run nothing beside the body."""
    token, before = CancelationToken(), count_tasks()
    composite = AllOfSource(Wire(), AnyOfSource(Wire(), TokenSource(token), AllOfSource(Wire(), Wire())))
    async with Cancelable.with_source(composite):
        await anyio.wait_all_tasks_blocked()
        assert count_tasks() == before
    assert not token._listeners


async def test_parts_that_fire_in_threads() -> None:
    """Each part may fire in a thread of its own: the operation ends once, when the last of them has."""
    for _ in range(20):
        wires = [Wire(str(number)) for number in range(8)]
        with anyio.fail_after(10):
            async with Cancelable.with_source(AllOfSource(wires), move_on=True) as operation:
                threads = [threading.Thread(target=wire.fire, args=(wire.name,)) for wire in wires]
                for thread in threads[1:]:
                    thread.start()
                for thread in threads[1:]:
                    thread.join()
                assert not operation.cancel_requested
                threads[0].start()
                await anyio.sleep_forever()
        threads[0].join()
        assert operation.context.cancel_origin == operation.context.cancel_message == "0"


@pytest.mark.virtual_time
async def test_a_timeout_or_a_token() -> None:
    """The ready-made sources work together with their own reasons."""
    for cancels in (True, False):
        token = CancelationToken()
        with pytest.raises(ManualCancelation if cancels else TimeoutCancelation):
            async with Cancelable.with_source(TokenSource(token) | TimeoutSource(5)):
                await anyio.sleep(3)
                if cancels:
                    await token.cancel()
                await anyio.sleep_forever()
