"""What leaves the block of an operation whose body raises, or swallows its interruption."""

from __future__ import annotations

import traceback

import anyio
import pytest
from anyio.lowlevel import checkpoint

from hother.cancelable import Cancelable, CancelationReason, CancelationSource, ManualCancelation, OperationStatus


class NeverSource(CancelationSource):
    """A source whose task waits in vain."""

    async def wait(self) -> str | None:
        await anyio.sleep_forever()
        return None


async def _stop(operation: Cancelable) -> None:
    await operation.cancel("enough")
    await anyio.sleep_forever()  # this line was interrupted


@pytest.mark.parametrize("sources", [0, 2])
@pytest.mark.parametrize("error", [ValueError("a"), ExceptionGroup("b", [ValueError("c")]), TimeoutError("d")])
async def test_body_that_raises_fails_with_its_own_exception(error: Exception, sources: int) -> None:
    """What the body raises leaves as the same object, also where tasks of sources ran beside it."""
    operation = Cancelable(sources=[NeverSource() for _ in range(sources)], timeout=60)
    with pytest.raises(type(error)) as caught:
        async with operation:
            raise error
    assert caught.value is error
    assert (error.__cause__, error.__context__) == (None, None)
    context = operation.context
    assert (context.status, context.cancel_reason) == ("failed", None)
    assert context.error == f"{type(error).__name__}: {error}"


async def test_base_exception_of_the_body_fails_it_too() -> None:
    """An exception that is no `Exception` leaves as it is, and the operation has failed."""

    class Halt(BaseException):
        pass

    with pytest.raises(Halt):
        async with Cancelable() as operation:
            raise Halt
    assert operation.context.status is OperationStatus.FAILED


async def test_exception_beside_another_request_fails() -> None:
    """A body that raises before a request has interrupted it fails; the request stays on record."""
    operation = Cancelable()

    async def work() -> None:
        async with operation:
            await operation.cancel("too late")
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        await work()
    assert operation.context.status is OperationStatus.FAILED
    assert operation.context.cancel_reason is CancelationReason.MANUAL
    await checkpoint()


async def test_chain_of_the_bodys_exception_stays() -> None:
    """An exception leaves with the cause and the context that the body gave it."""
    cause, error = KeyError("cause"), ValueError("effect")
    with pytest.raises(ValueError, match="effect"):
        async with Cancelable():
            raise error from cause
    assert error.__cause__ is cause


async def test_body_that_swallows_its_cancelation_completes() -> None:
    """A body that catches the interruption and ends has not been ended by it."""
    async with Cancelable() as operation:
        with pytest.raises(anyio.get_cancelled_exc_class()):
            await _stop(operation)
    assert operation.is_completed
    assert operation.context.cancel_reason is CancelationReason.MANUAL
    await checkpoint()


async def test_body_that_swallows_its_cancelation_is_interrupted_again() -> None:
    """Every further checkpoint of a cancelled operation interrupts, until the body gives in."""
    operation, attempts = Cancelable(), []

    async def work() -> None:
        async with operation:
            await operation.cancel()
            for attempt in range(3):
                with pytest.raises(anyio.get_cancelled_exc_class()):
                    await checkpoint()
                attempts.append(attempt)
            await checkpoint()

    with pytest.raises(ManualCancelation):
        await work()
    assert attempts == [0, 1, 2]
    assert operation.is_cancelled


async def test_traceback_shows_where_the_body_was_interrupted() -> None:
    """The traceback of what leaves leads to the line at which the body stood."""
    with pytest.raises(ManualCancelation) as caught:
        async with Cancelable() as operation:
            await _stop(operation)
    lines = [frame.line for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert "await _stop(operation)" in lines
    assert "await anyio.sleep_forever()  # this line was interrupted" in lines


async def test_interruption_itself_is_not_shown() -> None:
    """What leaves has no context: the backend's own cancellation behind it tells nobody anything."""
    with pytest.raises(ManualCancelation) as caught:
        async with Cancelable() as operation:
            await _stop(operation)
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None


async def test_error_that_is_being_handled_stays_the_context() -> None:
    """An operation in an `except` clause raises in the context of that exception, as Python does."""
    first = ValueError("first")

    async def work() -> None:
        try:
            raise first
        except ValueError:
            async with Cancelable() as operation:
                await _stop(operation)

    with pytest.raises(ManualCancelation) as caught:
        await work()
    assert caught.value.__context__ is first


async def test_exception_of_an_inner_operation_is_an_error_of_the_outer_one() -> None:
    """What leaves an inner operation makes the outer one fail, as any exception: nobody told it to stop."""
    outer, inner = Cancelable(name="outer"), Cancelable(name="inner")
    with pytest.raises(ManualCancelation) as caught:
        async with outer, inner:
            await _stop(inner)
    assert caught.value.context is inner.context
    assert inner.is_cancelled
    assert (outer.context.status, outer.context.cancel_reason) == ("failed", None)
    assert outer.context.error == "ManualCancelation: operation 'inner' was cancelled (manual): enough"


async def test_exception_of_an_inner_operation_leaves_a_cancelled_outer_one() -> None:
    """The exception of an inner operation is no interruption of the outer one, even if that was told to stop since."""
    outer, inner = Cancelable(name="outer"), Cancelable(name="inner")

    async def work() -> None:
        async with outer:
            try:
                async with inner:
                    await _stop(inner)
            finally:
                await outer.cancel("afterwards")

    with pytest.raises(ManualCancelation) as caught:
        await work()
    assert caught.value.context is inner.context
    assert (outer.context.status, outer.context.cancel_message) == ("failed", "afterwards")
