"""Sources made of sources: `Fire.watch` has the parts watched beside the body."""

from __future__ import annotations

import threading

import anyio
import pytest

from hother.cancelable import (
    Cancelable,
    CancelationReason,
    Cause,
    ConditionCancelation,
    DisconnectCancelation,
    ErrorCancelation,
    Fire,
)
from hother.cancelable.core import Disarm

from .shared import Gate
from .wires import Bundle, Wire


@pytest.mark.parametrize("depth", [1, 3])
async def test_a_part_ends_the_operation_like_its_whole(depth: int) -> None:
    """What a part says counts as if the whole had said it, and the record shows the part, at any depth."""
    wire, gate = Wire(), Gate()
    whole = Bundle(wire, gate)
    for _ in range(depth - 1):
        whole = Bundle(whole)
    with pytest.raises(DisconnectCancelation, match="cut"):
        async with Cancelable.with_source(whole) as operation:
            await anyio.wait_all_tasks_blocked()
            wire.fire("cut")
            await anyio.sleep_forever()
    assert operation.context.cancel_origin == "the wire"
    assert (wire.log, gate.log) == (["armed", "disarmed"], ["started", "cancelled"])


async def test_a_part_that_waits_runs_in_a_task_beside_the_body() -> None:
    """Only parts without `arm` take a task, which has their name; it ends the operation, too."""
    wires, gate = [Wire(), Wire()], Gate()
    before = len(anyio.get_running_tasks())
    with pytest.raises(ConditionCancelation, match="the gate is open"):
        async with Cancelable.with_source(Bundle(wires[0], Bundle(gate), wires[1]), name="report") as operation:
            await anyio.wait_all_tasks_blocked()
            assert gate.log == ["started"]
            assert len(anyio.get_running_tasks()) == before + 1
            assert "operation 'report': Gate" in {task.name for task in anyio.get_running_tasks()}
            gate.event.set()
            await anyio.sleep_forever()
    assert operation.context.cancel_origin == "Gate"
    assert [wire.log for wire in wires] == [["armed", "disarmed"]] * 2
    assert len(anyio.get_running_tasks()) == before


async def test_armed_parts_take_no_task() -> None:
    """A whole of parts that can be armed runs nothing beside the body."""
    before = len(anyio.get_running_tasks())
    async with Cancelable.with_source(Bundle(Wire(), Bundle(Wire(), Wire()))):
        await anyio.wait_all_tasks_blocked()
        assert len(anyio.get_running_tasks()) == before


async def test_a_whole_that_hears_its_parts() -> None:
    """With `then` the operation is told nothing: the whole gets the records of the parts, whatever they are."""
    told = list[Cause]()
    wire, gate = Wire(), Gate()
    async with Cancelable.with_source(Bundle(wire, gate, then=told.append)) as operation:
        wire.fire("cut")
        gate.event.set()
        await anyio.wait_all_tasks_blocked()
        wire.fire("again")
    assert operation.is_completed
    assert not operation.cancel_requested
    assert [cause[:3] for cause in told] == [
        (CancelationReason.DISCONNECT, "cut", "the wire"),
        (CancelationReason.CONDITION, "the gate is open", "Gate"),
        (CancelationReason.DISCONNECT, "again", "the wire"),
    ]


async def test_a_whole_inside_one_that_hears_its_parts() -> None:
    """What counts as said by the inner whole is heard by the outer one."""
    told, wire = list[Cause](), Wire()
    async with Cancelable.with_source(Bundle(Bundle(Bundle(wire)), then=told.append)) as operation:
        wire.fire("deep")
    assert not operation.cancel_requested
    assert [cause.message for cause in told] == ["deep"]


@pytest.mark.parametrize("armed", [True, False])
async def test_a_whole_hears_of_a_part_that_breaks(armed: bool) -> None:
    """The record has the reason ERROR and the error; whether that ends the operation is up to the whole."""
    told, error = list[Cause](), OSError("broken")
    wire, gate = Wire(), Gate(error=error)
    async with Cancelable.with_source(Bundle(wire if armed else gate, then=told.append)) as operation:
        if armed:
            wire.fire.fail(error)
        else:
            gate.event.set()
        await anyio.wait_all_tasks_blocked()
    assert not operation.cancel_requested
    (cause,) = told
    name = "the wire" if armed else "Gate"
    assert cause[:3] == (CancelationReason.ERROR, f"{name} failed: OSError('broken')", name)
    assert cause.error is error


async def test_a_part_that_breaks_below_a_whole_that_does_not_listen() -> None:
    """The operation ends with the reason ERROR and the part's name."""
    gate = Gate(error=OSError("broken"))
    gate.event.set()
    with pytest.raises(ErrorCancelation, match="Gate failed") as caught:
        async with Cancelable.with_source(Bundle(Wire(), gate)):
            await anyio.sleep_forever()
    assert caught.value.__cause__ is gate.error


async def test_a_part_whose_arming_fails_undoes_everything() -> None:
    """The error leaves the entry; parts armed before are disarmed, no task is started, and all can be used again."""
    first, gate, inner, broken, last = Wire(), Gate(), Wire(), Wire(broken=True), Wire()
    whole = Bundle(gate, Bundle(inner, broken), last)
    before = len(anyio.get_running_tasks())
    with pytest.raises(OSError, match="no wire"):
        async with Cancelable(sources=[first, whole]) as operation:
            raise AssertionError("the body runs")
    assert [wire.log for wire in (first, inner, broken, last)] == [["armed", "disarmed"]] * 2 + [[], []]
    await anyio.wait_all_tasks_blocked()
    assert gate.log == []
    assert len(anyio.get_running_tasks()) == before

    broken.broken = False
    with pytest.raises(DisconnectCancelation, match="mended"):
        async with Cancelable(sources=[first, whole]) as operation:
            broken.fire("mended")
            await anyio.sleep_forever()
    assert operation.context.cancel_origin == "the wire"


async def test_a_whole_that_fails_after_its_parts_were_armed() -> None:
    """What the parts of a whole hold is given back, also where the whole itself could not be armed."""

    class Halfway(Bundle):
        def arm(self, fire: Fire) -> Disarm:
            super().arm(fire)
            raise OSError("half done")

    wire, gate = Wire(), Gate()
    with pytest.raises(OSError, match="half done"):
        async with Cancelable.with_source(Halfway(wire, gate)):
            raise AssertionError("the body runs")
    assert wire.log == ["armed", "disarmed"]
    async with Cancelable(sources=[wire, gate]):
        pass
    assert wire.log == ["armed", "disarmed"] * 2


async def test_a_part_that_fires_while_it_is_armed() -> None:
    """The whole hears of it before its own arming is done, and so does the operation."""

    class Early(Wire):
        def arm(self, fire: Fire) -> Disarm:
            fire("long ago")
            return super().arm(fire)

    told = list[Cause]()
    early, later = Early(), Wire()
    async with Cancelable.with_source(Bundle(early, later, then=told.append)) as operation:
        assert [cause.message for cause in told] == ["long ago"]
    assert not operation.cancel_requested
    with pytest.raises(DisconnectCancelation, match="long ago"):
        async with Cancelable.with_source(Bundle(early, later)):
            await anyio.sleep_forever()
    assert later.log == ["armed", "disarmed"] * 2


async def test_a_part_that_fires_in_a_thread() -> None:
    """The whole hears of it in that very thread; what it says from there wakes the loop."""
    wire, other, threads = Wire(), Wire("the other"), list[int]()

    def hear(cause: Cause) -> None:
        threads.append(threading.get_ident())
        other.fire(cause)

    with anyio.fail_after(10), pytest.raises(DisconnectCancelation, match="from a thread"):
        async with Cancelable(sources=[other, Bundle(wire, then=hear)]) as operation:
            thread = threading.Thread(target=wire.fire, args=("from a thread",))
            thread.start()
            await anyio.sleep_forever()
    thread.join()
    assert len(threads) == 1
    assert threads[0] != threading.get_ident()
    assert operation.context.cancel_origin == "the wire"
