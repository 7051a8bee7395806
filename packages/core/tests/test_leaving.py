"""What leaves the block of an operation that one of its own sources ends, and what its record says then."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

import anyio
import pytest
from anyio.lowlevel import checkpoint

from hother.cancelable import (
    Cancelable,
    CancelationError,
    CancelationReason,
    CancelationSource,
    CancelationToken,
    ManualCancelation,
    OperationStatus,
    TimeoutCancelation,
)
from hother.cancelable.core import Disarm, Fire


class EventSource(CancelationSource):
    """Waits in a task of its own."""

    def __init__(self) -> None:
        self.event = anyio.Event()

    async def wait(self) -> str | None:
        await self.event.wait()
        return "the event was set"

    async def fire(self) -> None:
        self.event.set()


class ArmedSource(CancelationSource):
    """Needs no task: somebody calls it."""

    name = "the button"
    reason = CancelationReason.SHUTDOWN

    def arm(self, fire: Fire) -> Disarm:
        self._fire = fire
        return lambda: None

    async def wait(self) -> str | None:
        raise NotImplementedError

    async def fire(self) -> None:
        self._fire("pressed")


class BrokenSource(EventSource):
    """Fails when it should tell."""

    async def wait(self) -> str | None:
        await self.event.wait()
        raise OSError("no such device")


@dataclass
class Way:
    """One way to end an operation, and what the record should say of it."""

    operation: Cancelable
    fire: Callable[[], Awaitable[object]]
    reason: CancelationReason
    message: str | None
    origin: str | None = None


def _by_itself(move_on: bool = False) -> Way:
    operation = Cancelable(move_on=move_on)
    return Way(operation, partial(operation.cancel, "enough"), CancelationReason.MANUAL, "enough")


def _by_its_own_token(move_on: bool = False) -> Way:
    operation = Cancelable(move_on=move_on)
    fire = partial(operation.token.cancel, CancelationReason.SIGNAL, "SIGTERM")
    return Way(operation, fire, CancelationReason.SIGNAL, "SIGTERM")


def _by_a_token(move_on: bool = False) -> Way:
    token = CancelationToken()
    operation = Cancelable.with_token(token, move_on=move_on)
    return Way(operation, partial(token.cancel, CancelationReason.DISCONNECT), CancelationReason.DISCONNECT, None)


def _by_a_deadline(move_on: bool = False) -> Way:
    operation = Cancelable.with_timeout(0.01, move_on=move_on)
    return Way(operation, checkpoint, CancelationReason.TIMEOUT, "not done within 0.01 s", "timeout")


def _by_a_source(move_on: bool = False) -> Way:
    source = EventSource()
    operation = Cancelable.with_source(source, move_on=move_on)
    return Way(operation, source.fire, CancelationReason.CONDITION, "the event was set", "EventSource")


def _by_an_armed_source(move_on: bool = False) -> Way:
    source = ArmedSource()
    operation = Cancelable.with_source(source, move_on=move_on)
    return Way(operation, source.fire, CancelationReason.SHUTDOWN, "pressed", "the button")


def _by_a_broken_source(move_on: bool = False) -> Way:
    source = BrokenSource()
    operation = Cancelable.with_source(source, move_on=move_on)
    message = "BrokenSource failed: OSError('no such device')"
    return Way(operation, source.fire, CancelationReason.ERROR, message, "BrokenSource")


AT_ONCE = [_by_itself, _by_its_own_token, _by_a_token, _by_a_source, _by_an_armed_source, _by_a_broken_source]
WAYS = [*AT_ONCE, _by_a_deadline]


async def _fire_and_sleep(fire: Callable[[], Awaitable[object]]) -> None:
    await fire()
    await anyio.sleep_forever()


async def test_body_that_ends_leaves_nothing() -> None:
    """A body that runs to its end completes the operation, without a reason."""
    async with Cancelable() as operation:
        assert operation.context.status is OperationStatus.RUNNING
        await checkpoint()
    context = operation.context
    assert (context.status, context.cancel_reason, context.cause, context.error) == ("completed", None, None, None)
    assert operation.is_completed
    assert not operation.is_cancelled
    assert not operation.cancel_requested


@pytest.mark.parametrize("idle", [0, 2])
@pytest.mark.parametrize("make", WAYS)
async def test_fired_source_interrupts_the_body(make: Callable[[], Way], idle: int) -> None:
    """Each source ends the body at its next checkpoint, also beside others that wait; all tell which one it was."""
    way = make()
    for _ in range(idle):
        way.operation.add_source(EventSource())
    operation, earliest = way.operation, anyio.current_time()
    with pytest.raises(CancelationError) as caught:
        async with operation:
            await _fire_and_sleep(way.fire)
    error, context, cause = caught.value, operation.context, operation.token.cause
    assert (error.reason, error.message) == (way.reason, way.message)
    assert error.context is context
    assert type(error).__name__.lower() == f"{way.reason}cancelation"
    assert (context.status, context.cancel_reason, context.cancel_message) == ("cancelled", way.reason, way.message)
    assert context.cancel_origin == (way.origin or f"task {anyio.get_current_task().name!r}")
    assert cause is not None
    assert earliest <= cause.time <= anyio.current_time() + 0.001  # uvloop's timers are up to a millisecond early
    await checkpoint()  # nothing is left that interrupts what follows


async def test_exception_of_a_broken_source_is_the_cause() -> None:
    """The exception of a source that broke is the cause of what leaves, and of the record."""
    way = _by_a_broken_source()
    with pytest.raises(CancelationError) as caught:
        async with way.operation:
            await _fire_and_sleep(way.fire)
    assert isinstance(caught.value.__cause__, OSError)
    assert way.operation.context.cause is caught.value.__cause__
    assert way.operation.context.error is None


@pytest.mark.parametrize("make", AT_ONCE)
async def test_result_is_never_thrown_away(make: Callable[[], Way]) -> None:
    """A body that ends without being interrupted keeps its result, and the record keeps the request."""
    way = make()

    async def work() -> str:
        async with way.operation:
            await way.fire()
            with anyio.CancelScope(shield=True):
                await anyio.wait_all_tasks_blocked()
            return "result"
        raise AssertionError("the block was left before its end")

    assert await work() == "result"
    await checkpoint()
    context = way.operation.context
    assert way.operation.is_completed
    assert not way.operation.is_cancelled
    assert way.operation.cancel_requested
    assert (context.status, context.cancel_reason) == ("completed", way.reason)
    assert context.cancel_message == way.message


@pytest.mark.virtual_time
async def test_result_that_comes_after_the_deadline_is_kept() -> None:
    """A deadline that passes while the body cannot be interrupted takes no result away either."""
    async with Cancelable.with_timeout(1) as operation:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(2)
        assert operation.cancel_requested
    assert operation.is_completed
    assert operation.context.cancel_reason is CancelationReason.TIMEOUT
    await checkpoint()


@pytest.mark.parametrize("make", WAYS)
async def test_move_on_leaves_silently(make: Callable[[bool], Way]) -> None:
    """With `move_on` the block is left without an exception; the operation tells that it was cancelled."""
    way = make(True)
    async with way.operation:
        await _fire_and_sleep(way.fire)
    assert way.operation.is_cancelled
    assert way.operation.context.cancel_reason is way.reason
    await checkpoint()


async def test_move_on_hides_no_error() -> None:
    """With `move_on` an exception of the body leaves all the same, also while it is being cancelled."""
    operation = Cancelable(move_on=True)

    async def work() -> None:
        async with operation:
            await operation.cancel()
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        await work()
    assert operation.context.status is OperationStatus.FAILED


@pytest.mark.parametrize("make", WAYS)
async def test_body_that_raises_while_being_cancelled_fails(make: Callable[[], Way]) -> None:
    """An exception from the clean-up replaces the interruption, unwrapped; the request stays on record."""
    way, error = make(), ValueError("cannot clean up")

    async def work() -> None:
        async with way.operation:
            try:
                await _fire_and_sleep(way.fire)
            finally:
                raise error

    with pytest.raises(ValueError, match="cannot clean up") as caught:
        await work()
    assert caught.value is error
    context = way.operation.context
    assert (context.status, context.cancel_reason) == ("failed", way.reason)
    assert context.error == "ValueError: cannot clean up"
    assert way.operation.cancel_requested


async def test_timeout_is_a_timeout_error() -> None:
    """A deadline leaves the block as the exception that `anyio.fail_after` and `asyncio.timeout` raise, too."""
    with pytest.raises(TimeoutError) as caught:
        async with Cancelable.with_timeout(0.001):
            await anyio.sleep_forever()
    assert isinstance(caught.value, TimeoutCancelation)


async def test_cancelled_before_entry_interrupts_at_the_first_checkpoint() -> None:
    """An operation that was told to stop before it is entered runs up to its first checkpoint."""
    operation, steps = Cancelable(), []
    assert await operation.cancel("never mind")

    async def work() -> None:
        async with operation:
            steps.append("entered")
            await checkpoint()
            steps.append("not reached")

    with pytest.raises(ManualCancelation, match="never mind"):
        await work()
    assert steps == ["entered"]
