"""A stretch of an operation that no cancellation interrupts."""

from __future__ import annotations

import logging

import anyio
import pytest
from anyio.lowlevel import checkpoint

from hother.cancelable import Cancelable, CancelationError, ManualCancelation, TimeoutCancelation, current_operation


async def test_shield_protects_and_the_cancellation_follows_at_once() -> None:
    """What was asked for inside the shield interrupts right after it, before the next line."""
    operation, steps = Cancelable(), list[str]()

    async def work() -> None:
        async with operation:
            async with operation.shield():
                await operation.cancel("stop")
                await checkpoint()
                steps.append("protected")
            steps.append("not reached")

    with pytest.raises(ManualCancelation, match="stop"):
        await work()
    assert steps == ["protected"]
    assert operation.is_cancelled


@pytest.mark.virtual_time
async def test_deadline_that_passes_inside_counts_from_then() -> None:
    """A deadline that passes inside the shield ends the operation when the shield does, with its own time."""
    operation = Cancelable.with_timeout(1)

    async def work() -> None:
        async with operation, operation.shield():
            await anyio.sleep(3)

    start = anyio.current_time()
    with pytest.raises(TimeoutCancelation):
        await work()
    assert anyio.current_time() - start == pytest.approx(3)
    assert operation.token.cause is not None
    assert operation.token.cause.time - start == pytest.approx(1)


async def test_shield_without_a_cancellation_is_transparent() -> None:
    """Where nobody has asked to stop a shield changes nothing; values and exceptions pass."""
    async with Cancelable() as operation:
        async with operation.shield() as scope:
            assert isinstance(scope, anyio.CancelScope)
            await checkpoint()
        with pytest.raises(ValueError, match="mine"):
            async with operation.shield():
                raise ValueError("mine")
        await checkpoint()
    assert operation.is_completed


async def test_exception_from_the_shield_goes_before_the_pending_cancellation() -> None:
    """An exception of the shielded part leaves, also where a cancellation waits; the operation has failed."""
    operation = Cancelable()

    async def work() -> None:
        async with operation, operation.shield():
            await operation.cancel()
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        await work()
    assert operation.context.status == "failed"


async def test_result_from_inside_a_shield_is_not_returned_past_a_cancellation() -> None:
    """A `return` out of the shield meets the pending cancellation like any step after it."""
    operation = Cancelable()

    async def work() -> str:
        async with operation, operation.shield():
            await operation.cancel()
            return "result"
        raise AssertionError("the block swallowed the cancellation")

    with pytest.raises(ManualCancelation):
        await work()


@pytest.mark.virtual_time
async def test_limit_cuts_the_shielded_part_off() -> None:
    """A shield protects no longer than its limit; then the pending cancellation is delivered."""
    operation, steps = Cancelable(), list[str]()

    async def work() -> None:
        async with operation:
            await operation.cancel("stop")
            async with operation.shield(timeout=2):
                try:
                    await anyio.sleep_forever()
                finally:
                    steps.append("cut off")
            steps.append("not reached")

    start = anyio.current_time()
    with pytest.raises(ManualCancelation, match="stop"):
        await work()
    assert anyio.current_time() - start == pytest.approx(2)
    assert steps == ["cut off"]


@pytest.mark.virtual_time
async def test_limit_without_a_cancellation_is_a_timeout_error() -> None:
    """Without anything pending the shielded part that was cut off says so, and the operation may go on."""
    async with Cancelable(name="transfer") as operation:
        with pytest.raises(TimeoutError, match=r"operation 'transfer': .* after its limit of 2 s") as caught:
            async with operation.shield(timeout=2):
                await anyio.sleep_forever()
        assert not isinstance(caught.value, CancelationError)
        await checkpoint()
    assert operation.is_completed


@pytest.mark.virtual_time
async def test_limit_that_is_not_reached_does_nothing() -> None:
    """A shielded part that is done in time leaves no deadline behind."""
    async with Cancelable() as operation:
        async with operation.shield(timeout=2):
            await anyio.sleep(1)
        await anyio.sleep(5)
    assert operation.is_completed


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
async def test_limit_must_be_positive(timeout: float) -> None:
    """A limit that is no time span is refused when the shield is made."""
    async with Cancelable() as operation:
        with pytest.raises(ValueError, match="timeout must be more than zero seconds"):
            operation.shield(timeout=timeout)


async def test_shield_protects_from_everything_around() -> None:
    """A shield keeps off enclosing operations and scopes as well; they get through right after it."""
    steps: list[str] = []
    with anyio.CancelScope() as scope:
        async with Cancelable(move_on=True) as outer, Cancelable() as operation:
            async with operation.shield():
                await outer.cancel()
                scope.cancel()
                await checkpoint()
                steps.append("protected")
            steps.append("not reached")
    assert steps == ["protected"]
    assert scope.cancelled_caught
    assert operation.context.cancel_reason == "parent"


async def test_shield_protects_a_child() -> None:
    """An operation inside the shield runs to its end, though its parent was told to stop."""
    parent, child = Cancelable(), Cancelable()

    async def work() -> None:
        async with parent, parent.shield():
            await parent.cancel()
            async with child:
                child.check()
                await checkpoint()

    with pytest.raises(ManualCancelation):
        await work()
    assert (child.context.status, child.context.cancel_reason) == ("completed", None)
    assert parent.is_cancelled


async def test_shield_protects_children_in_a_group_inside() -> None:
    """So do operations in the tasks of a group that was opened inside the shield."""
    parent, child, go_on = Cancelable(), Cancelable(), anyio.Event()

    async def run_child() -> None:
        async with child:
            await go_on.wait()
            child.check()
            parent.check()
            await checkpoint()

    async def work() -> None:
        async with parent, parent.shield(), anyio.create_task_group() as group:
            group.start_soon(run_child)
            await anyio.wait_all_tasks_blocked()
            await parent.cancel()
            await anyio.wait_all_tasks_blocked()
            assert child.is_running
            assert not child.cancel_requested
            go_on.set()

    with pytest.raises(ManualCancelation):
        await work()
    assert (child.context.status, child.context.cancel_reason) == ("completed", None)
    assert parent.is_cancelled


async def test_shield_protects_no_child_in_a_group_around_it() -> None:
    """A task of the operation that runs beside the shield is interrupted as ever."""
    parent, child, seen = Cancelable(), Cancelable(), list[bool]()

    async def run_child() -> None:
        async with child:
            await anyio.sleep_forever()

    async def work() -> None:
        async with parent, anyio.create_task_group() as group:
            group.start_soon(run_child)
            await anyio.wait_all_tasks_blocked()
            async with parent.shield():
                await parent.cancel()
                await anyio.wait_all_tasks_blocked()
                seen.append(child.is_running)

    with pytest.raises(ManualCancelation):
        await work()
    assert seen == [False]
    assert child.context.cancel_reason == "parent"


async def test_child_inside_a_shield_can_still_be_cancelled() -> None:
    """A shield protects from what is outside: an operation inside ends when it is told itself."""
    async with Cancelable() as parent:
        async with parent.shield():
            async with Cancelable(move_on=True) as child:
                await child.cancel()
                await anyio.sleep_forever()
            assert child.is_cancelled
        await checkpoint()
    assert parent.is_completed


async def test_shields_nest() -> None:
    """A shield inside another ends alone; what is pending waits for the outermost one."""
    operation, steps = Cancelable(), list[str]()

    async def work() -> None:
        async with operation:
            async with operation.shield():
                async with operation.shield(timeout=60):
                    await operation.cancel()
                    operation.check()
                await checkpoint()
                operation.check()
                steps.append("still protected")
            steps.append("not reached")

    with pytest.raises(ManualCancelation):
        await work()
    assert steps == ["still protected"]


async def test_shield_does_not_hide_the_operation() -> None:
    """Inside a shield the operation is still the current one, and tells that it was asked to stop."""
    async with Cancelable(move_on=True) as operation, operation.shield():
        await operation.cancel()
        assert current_operation() is operation
        assert operation.cancel_requested
        assert operation.is_running
    assert operation.is_cancelled


async def test_shield_is_quiet(caplog: pytest.LogCaptureFixture) -> None:
    """A shield that holds a cancellation off logs nothing."""
    caplog.set_level(logging.DEBUG, "hother.cancelable")
    async with Cancelable(move_on=True) as operation, operation.shield():
        await operation.cancel()
    assert caplog.records == []
