"""What leaves blocks in which somebody calls `check()`."""

from __future__ import annotations

import anyio
import pytest
from anyio.lowlevel import checkpoint

from hother.cancelable import (
    Cancelable,
    CancelationError,
    CancelationReason,
    CancelationSource,
    ErrorCancelation,
    ManualCancelation,
    ParentCancelation,
)


async def test_check_is_silent_while_nobody_has_asked_to_stop() -> None:
    """`check` raises nothing before, during and after an operation that was not told to stop."""
    operation = Cancelable()
    operation.check()
    async with operation:
        operation.check()
        await operation.check_cancelation()
    operation.check()


async def test_check_in_the_body_ends_it_like_an_interruption() -> None:
    """What `check` raises leaves the block once, as the reason's exception, and the operation was cancelled."""
    operation, raised = Cancelable(), list[CancelationError]()

    async def work() -> None:
        async with operation:
            await operation.cancel(CancelationReason.SHUTDOWN, "going down")
            try:
                operation.check()
            except CancelationError as error:
                raised.append(error)
                raise

    with pytest.raises(CancelationError) as caught:
        await work()
    for error in (raised[0], caught.value):
        assert (error.reason, error.message) == (CancelationReason.SHUTDOWN, "going down")
        assert error.context is operation.context
    assert (operation.context.status, operation.context.cancel_reason) == ("cancelled", "shutdown")
    assert operation.context.error is None
    await checkpoint()


async def test_check_with_move_on_leaves_silently() -> None:
    """With `move_on` what `check` raises is not seen outside either."""
    async with Cancelable(move_on=True) as operation:
        await operation.cancel()
        operation.check()
    assert operation.is_cancelled


async def test_check_that_the_body_survives_takes_no_result() -> None:
    """A body that handles what `check` raised and ends keeps its result."""
    async with Cancelable() as operation:
        await operation.cancel()
        with pytest.raises(ManualCancelation):
            operation.check()
    assert operation.is_completed
    assert operation.cancel_requested


async def test_check_keeps_the_exception_of_a_source() -> None:
    """The exception of a source that broke is the cause of what `check` raises."""

    class Broken(CancelationSource):
        async def wait(self) -> str | None:
            raise OSError("no such device")

    async def work() -> None:
        async with Cancelable.with_source(Broken()) as operation:
            with anyio.CancelScope(shield=True):
                await anyio.wait_all_tasks_blocked()
            operation.check()

    with pytest.raises(ErrorCancelation) as caught:
        await work()
    assert isinstance(caught.value.__cause__, OSError)


@pytest.mark.virtual_time
async def test_check_sees_a_deadline() -> None:
    """`check` raises once the deadline has passed, though nothing could interrupt the body."""
    operation = Cancelable.with_timeout(1)

    async def work() -> None:
        async with operation:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(1.5)
            operation.check()

    with pytest.raises(TimeoutError):
        await work()
    assert (operation.context.status, operation.context.cancel_reason) == ("cancelled", "timeout")


async def test_check_of_the_outer_operation_in_an_inner_one() -> None:
    """What the outer operation's `check` raises inside an inner one is no doing of the inner one."""
    outer, inner = Cancelable(name="outer"), Cancelable(name="inner")

    async def work() -> None:
        async with outer, inner:
            await outer.cancel("stop")
            outer.check()

    with pytest.raises(ManualCancelation) as caught:
        await work()
    assert caught.value.context is outer.context
    assert (caught.value.reason, caught.value.message) == (CancelationReason.MANUAL, "stop")
    assert (outer.context.status, outer.context.cancel_reason) == ("cancelled", "manual")
    assert (inner.context.status, inner.context.cancel_reason) == ("cancelled", "parent")
    assert inner.context.cause is outer.context


async def test_check_of_an_inner_operation_sees_the_outer_one() -> None:
    """The inner operation's `check` raises for an outer one that encloses it, which then leaves as itself."""
    top, middle, bottom = Cancelable(name="top"), Cancelable(name="middle"), Cancelable(name="bottom")
    raised: list[CancelationError] = []

    async def work() -> None:
        async with top, middle, bottom:
            await top.cancel("stop")
            try:
                bottom.check()
            except ParentCancelation as error:
                raised.append(error)
                raise

    with pytest.raises(ManualCancelation) as caught:
        await work()
    assert caught.value.context is top.context
    assert raised[0].context is bottom.context
    assert raised[0].message == "stop"
    for operation in (middle, bottom):
        assert (operation.context.status, operation.context.cancel_reason) == ("cancelled", "parent")
        assert operation.context.cause is top.context


async def test_check_of_an_inner_operation_that_was_told_itself() -> None:
    """Its own request goes before that of an outer one, in `check`; what leaves fails nobody but by its own name."""
    outer, inner = Cancelable(name="outer"), Cancelable(name="inner")

    async def work() -> None:
        async with outer, inner:
            await inner.cancel("just me")
            inner.check()

    with pytest.raises(ManualCancelation) as caught:
        await work()
    assert caught.value.context is inner.context
    assert (inner.context.status, inner.context.cancel_reason) == ("cancelled", "manual")
    assert (outer.context.status, outer.context.cancel_reason) == ("failed", None)


async def test_check_of_a_foreign_operation_is_an_error() -> None:
    """What the `check` of an unrelated operation raises makes this one fail, as any exception does."""
    foreign = Cancelable(name="foreign")
    await foreign.cancel()
    with pytest.raises(ManualCancelation):
        async with Cancelable() as operation:
            foreign.check()
    assert operation.context.error == "ManualCancelation: operation 'foreign' was cancelled (manual)"


async def test_check_cancelation_is_interrupted_by_what_surrounds_it() -> None:
    """`check_cancelation` gives way to any cancellation, the operation's own and that of a scope around it."""
    async with Cancelable(move_on=True) as operation:
        await operation.cancel()
        await operation.check_cancelation()
    assert operation.is_cancelled
    with anyio.CancelScope() as scope:
        async with Cancelable() as operation:
            scope.cancel()
            await operation.check_cancelation()
    assert operation.context.cancel_reason is CancelationReason.EXTERNAL


async def test_check_in_a_shield_is_silent() -> None:
    """Inside `shield` `check` raises nothing; after it, it does."""
    operation, steps = Cancelable(), list[str]()

    async def work() -> None:
        async with operation:
            await operation.cancel()
            async with operation.shield():
                operation.check()
                steps.append("silent")
            steps.append("not reached")

    with pytest.raises(ManualCancelation):
        await work()
    assert steps == ["silent"]
