"""Custom sources: a coroutine, or a callback that needs no task, ends an operation."""

from __future__ import annotations

import asyncio

import anyio
import anyio.lowlevel
import pytest

from hother.cancelable import (
    Cancelable,
    CancelationError,
    CancelationReason,
    CancelationSource,
    ConditionCancelation,
    DisconnectCancelation,
    ErrorCancelation,
    ManualCancelation,
)

from .shared import Gate


async def test_a_source_whose_wait_returns_ends_the_operation() -> None:
    """The message and the source's name go on record, with the reason CONDITION unless the class says another."""
    gate = Gate()
    with pytest.raises(ConditionCancelation, match="the gate is open"):
        async with Cancelable.with_source(gate) as operation:
            gate.event.set()
            await anyio.sleep_forever()
    context = operation.context
    assert (context.cancel_reason, context.cancel_message) == (CancelationReason.CONDITION, "the gate is open")
    assert context.cancel_origin == "Gate"


async def test_a_source_without_a_message() -> None:
    """None is fine as a message."""
    gate = Gate(message=None)
    async with Cancelable.with_source(gate, move_on=True) as operation:
        gate.event.set()
        await anyio.sleep_forever()
    assert operation.is_cancelled
    assert operation.context.cancel_message is None


async def test_a_source_with_a_reason_of_its_own() -> None:
    """A class attribute sets the reason, and so the exception."""

    class Leaving(Gate):
        reason = CancelationReason.DISCONNECT

    source = Leaving("gone")
    with pytest.raises(DisconnectCancelation, match="gone"):
        async with Cancelable.with_source(source):
            source.event.set()
            await anyio.sleep_forever()


async def test_a_source_that_has_nothing_to_wait_for() -> None:
    """A source that returns at once ends the operation at its first checkpoints."""
    gate = Gate()
    gate.event.set()
    with pytest.raises(ConditionCancelation):
        async with Cancelable.with_source(gate):
            await anyio.sleep_forever()


async def test_a_source_that_breaks_ends_the_operation() -> None:
    """A broken safety net is not silent: reason ERROR, the exception is the cause, and the record has it."""
    error = OSError("no such file")
    gate = Gate(error=error)
    with pytest.raises(ErrorCancelation, match="Gate failed: OSError") as caught:
        async with Cancelable.with_source(gate) as operation:
            gate.event.set()
            await anyio.sleep_forever()
    assert caught.value.__cause__ is error
    assert operation.context.cancel_reason is CancelationReason.ERROR
    assert operation.context.cause is error
    assert operation.context.cancel_origin == "Gate"


@pytest.mark.parametrize("outcome", ["completes", "fails", "is cancelled", "is cancelled outside"])
async def test_the_task_of_a_source_ends_with_the_operation(outcome: str) -> None:
    """However the body ends, the source is cancelled and has ended before the block is left."""
    gate, error = Gate(), KeyError("body")
    with anyio.CancelScope() as scope:
        try:
            async with Cancelable.with_source(gate) as operation:
                await anyio.wait_all_tasks_blocked()
                if outcome == "fails":
                    raise error
                if outcome == "is cancelled":
                    await operation.cancel()
                if outcome == "is cancelled outside":
                    scope.cancel()
                if outcome != "completes":
                    await anyio.sleep_forever()
        except (KeyError, ManualCancelation) as left:
            assert left is error or isinstance(left, ManualCancelation)
            assert outcome == ("fails" if left is error else "is cancelled")
        else:
            assert outcome == "completes"
        assert gate.log == ["started", "cancelled"]
    assert scope.cancelled_caught is (outcome == "is cancelled outside")
    assert gate.log == ["started", "cancelled"]
    assert operation.is_completed is (outcome == "completes")


@pytest.mark.loops("asyncio", "uvloop", "eager")
async def test_a_native_cancel_leaves_as_it_is_beside_a_source() -> None:
    """`task.cancel()` ends body and source, and the task ends as cancelled, with nothing pending."""
    gate, operation = Gate(), Cancelable()

    async def run() -> None:
        async with operation.add_source(gate):
            await anyio.sleep_forever()

    task = asyncio.create_task(run())
    await anyio.wait_all_tasks_blocked()
    task.cancel("from outside")
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()
    assert gate.log == ["started", "cancelled"]
    assert operation.context.cancel_reason is CancelationReason.EXTERNAL


@pytest.mark.loops("asyncio", "uvloop", "eager")
async def test_nothing_is_pending_after_a_source_has_fired() -> None:
    """`task.cancelling()` is after the block what it was before."""
    task = asyncio.current_task()
    assert task is not None
    for ends_by_source in (True, False):
        gate = Gate()
        async with Cancelable.with_source(gate, move_on=True) as operation:
            if ends_by_source:
                gate.event.set()
            else:
                await operation.cancel()
            await anyio.sleep_forever()
        assert operation.is_cancelled
        assert task.cancelling() == 0
        await anyio.lowlevel.checkpoint()


async def test_a_body_that_swallows_the_interruption_beside_a_source() -> None:
    """A body that ends all the same keeps its result: the operation is completed."""
    gate = Gate()
    async with Cancelable.with_source(gate) as operation:
        gate.event.set()
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            pass
    assert operation.is_completed
    assert operation.cancel_requested


async def test_a_body_that_ends_while_a_source_fires() -> None:
    """A source that fires when the body is done changes nothing but the record."""
    gate = Gate()
    async with Cancelable.with_source(gate) as operation:
        await anyio.wait_all_tasks_blocked()
        gate.event.set()
    assert operation.is_completed


async def test_a_source_is_added_before_entry_only() -> None:
    """`add_source` returns the operation for chaining, and is refused once the operation was entered."""
    gate = Gate()
    operation = Cancelable(name="report")
    assert operation.add_source(gate) is operation
    with pytest.raises(CancelationError):
        async with operation:
            with pytest.raises(RuntimeError, match="'report' was entered already; add its sources before"):
                operation.add_source(Gate())
            gate.event.set()
            await anyio.sleep_forever()
    with pytest.raises(RuntimeError, match="entered already"):
        operation.add_source(Gate())


async def test_a_source_without_a_wait() -> None:
    """A source that overrides nothing breaks when it is used, and the error says what it needs."""

    class Empty(CancelationSource):
        pass

    with pytest.raises(ErrorCancelation, match="Empty needs a coroutine `wait`"):
        async with Cancelable.with_source(Empty()):
            await anyio.sleep_forever()
