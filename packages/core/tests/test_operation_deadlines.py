"""Deadlines: counted from entry on the loop's clock, read, moved and lifted."""

from __future__ import annotations

import math
from datetime import timedelta

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from hother.cancelable import Cancelable, CancelationReason, CancelationToken, TimeoutCancelation

pytestmark = pytest.mark.virtual_time


@pytest.mark.parametrize("timeout", [3600, 3600.0, timedelta(hours=1)])
async def test_a_timeout_ends_the_operation(timeout: float | timedelta) -> None:
    """After so many seconds the body is interrupted, and what leaves is also a `TimeoutError`."""
    start = anyio.current_time()
    with pytest.raises(TimeoutError) as caught:
        async with Cancelable.with_timeout(timeout) as operation:
            await anyio.sleep_forever()
    assert anyio.current_time() - start == pytest.approx(3600)
    assert isinstance(caught.value, TimeoutCancelation)
    assert caught.value.context is operation.context
    assert operation.context.cancel_reason is CancelationReason.TIMEOUT
    assert operation.context.cancel_message == "not done within 3600 s"
    assert operation.context.cancel_origin == "timeout"


async def test_a_timeout_counts_from_entry() -> None:
    """Time that passes between making and entering an operation does not count."""
    operation = Cancelable.with_timeout(10)
    await anyio.sleep(100)
    async with operation:
        assert operation.deadline == pytest.approx(anyio.current_time() + 10)
        await anyio.sleep(9.9)
    assert operation.is_completed


async def test_a_body_that_ends_in_time_is_left_alone() -> None:
    """Nothing comes later: the deadline goes with the operation."""
    async with Cancelable.with_timeout(10) as operation:
        await anyio.sleep(9)
    await anyio.sleep(100)
    assert operation.is_completed
    assert not operation.cancel_requested
    assert not operation.token.is_cancelled


async def test_an_infinite_timeout_never_comes() -> None:
    """Infinity is a number of seconds like any other."""
    async with Cancelable.with_timeout(math.inf) as operation:
        await anyio.sleep(1e6)
        assert operation.remaining() == math.inf
        assert operation.deadline == math.inf
    assert operation.is_completed


async def test_reading_the_deadline_of_an_operation() -> None:
    """`deadline` is on the loop's clock; `remaining()` counts down to zero and is infinite without a timeout."""
    operation, without = Cancelable.with_timeout(10, move_on=True), Cancelable()
    assert (operation.deadline, operation.remaining()) == (None, 10)
    assert (without.deadline, without.remaining()) == (None, math.inf)
    async with operation, without:
        assert (without.deadline, without.remaining()) == (None, math.inf)
        start = anyio.current_time()
        assert operation.deadline == pytest.approx(start + 10)
        assert operation.remaining() == pytest.approx(10)
        await anyio.sleep(4)
        assert operation.deadline == pytest.approx(start + 10)
        assert operation.remaining() == pytest.approx(6)
        with anyio.CancelScope(shield=True):
            await anyio.sleep(20)
        assert operation.remaining() == 0
        await anyio.lowlevel.checkpoint()
    assert operation.is_cancelled
    assert operation.remaining() == 0


async def test_a_deadline_is_moved_forth() -> None:
    """`reschedule` counts from now."""
    start = anyio.current_time()
    with pytest.raises(TimeoutCancelation):
        async with Cancelable.with_timeout(10) as operation:
            await anyio.sleep(5)
            operation.reschedule(100)
            assert operation.remaining() == pytest.approx(100)
            await anyio.sleep_forever()
    assert anyio.current_time() - start == pytest.approx(105)
    assert operation.context.cancel_message == "not done within 105 s"


async def test_a_deadline_is_moved_back() -> None:
    """A nearer deadline replaces the one before."""
    start = anyio.current_time()
    with pytest.raises(TimeoutCancelation):
        async with Cancelable.with_timeout(1000) as operation:
            operation.reschedule(timedelta(seconds=2))
            await anyio.sleep_forever()
    assert anyio.current_time() - start == pytest.approx(2)


async def test_a_deadline_is_lifted() -> None:
    """`reschedule(None)` takes the deadline away, and another can be set later."""
    start = anyio.current_time()
    with pytest.raises(TimeoutCancelation):
        async with Cancelable.with_timeout(10) as operation:
            operation.reschedule(None)
            assert (operation.deadline, operation.remaining()) == (None, math.inf)
            await anyio.sleep(500)
            operation.reschedule(5)
            assert operation.deadline == pytest.approx(anyio.current_time() + 5)
            await anyio.sleep_forever()
    assert anyio.current_time() - start == pytest.approx(505)


@pytest.mark.parametrize("timeout", [None, 100])
async def test_a_deadline_is_moved_too_late(timeout: float | None) -> None:
    """Once it has passed it stands, also where the body is shielded and has not heard of it."""
    with pytest.raises(TimeoutCancelation, match="not done within 10 s"):
        async with Cancelable.with_timeout(10) as operation:
            async with operation.shield():
                await anyio.sleep(20)
                operation.reschedule(timeout)
            await anyio.sleep_forever()
    assert operation.context.cancel_reason is CancelationReason.TIMEOUT


async def test_another_thread_reads_the_deadline() -> None:
    """How much time is left is the same for a thread, and for a loop in a thread that has another clock."""

    async def read() -> float:
        return operation.remaining()

    async with Cancelable.with_timeout(10) as operation:
        await anyio.sleep(4)
        assert 0 < await operation.run_in_thread(operation.remaining) < 6.1  # real time passes, too
        for backend in ("asyncio", "trio"):
            left = await anyio.to_thread.run_sync(lambda: anyio.run(read, backend=backend))  # noqa: B023 - awaited here
            assert 0 < left < 6.1


async def test_a_deadline_is_given_to_an_operation_without_one() -> None:
    """Any running operation can be given a deadline."""
    with pytest.raises(TimeoutCancelation):
        async with Cancelable() as operation:
            operation.reschedule(5)
            await anyio.sleep_forever()
    assert operation.context.cancel_reason is CancelationReason.TIMEOUT


async def test_a_deadline_is_changed_before_entry() -> None:
    """Before entry the new timeout counts from entry, like the first."""
    longer, lifted, added = Cancelable.with_timeout(1), Cancelable.with_timeout(1), Cancelable(move_on=True)
    longer.reschedule(50)
    lifted.reschedule(None)
    added.reschedule(20)
    assert (longer.remaining(), lifted.remaining(), added.remaining()) == (50, math.inf, 20)
    await anyio.sleep(100)
    async with longer, lifted:
        await anyio.sleep(40)
    async with added:
        await anyio.sleep_forever()
    assert (longer.is_completed, lifted.is_completed, added.is_cancelled) == (True, True, True)


async def test_a_deadline_that_has_passed_is_not_taken_back() -> None:
    """Rescheduling after the timeout was recorded moves the deadline, but the first cause stands."""
    with pytest.raises(TimeoutCancelation):
        async with Cancelable.with_timeout(5) as operation:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(10)
            assert operation.cancel_requested
            operation.reschedule(100)
            await anyio.lowlevel.checkpoint()
    assert operation.context.cancel_reason is CancelationReason.TIMEOUT


async def test_the_nearest_deadline_of_nested_operations_counts() -> None:
    """An inner timeout leaves the outer operation alone; an outer one ends both."""
    async with Cancelable.with_timeout(100) as outer:
        with pytest.raises(TimeoutCancelation) as caught:
            async with Cancelable.with_timeout(5) as inner:
                await anyio.sleep_forever()
        assert caught.value.context is inner.context
        await anyio.sleep(10)
    assert outer.is_completed
    with pytest.raises(TimeoutCancelation) as caught:
        async with Cancelable.with_timeout(5) as outer, Cancelable.with_timeout(100) as inner:
            await anyio.sleep_forever()
    assert caught.value.context is outer.context
    assert inner.context.cancel_reason is CancelationReason.PARENT


async def test_a_deadline_tells_those_who_wait_on_the_token() -> None:
    """Callbacks, links and waits on an operation's own token hear of its timeout in time, also under a shield."""
    calls: list[CancelationToken] = []
    with pytest.raises(TimeoutCancelation):
        async with Cancelable.with_timeout(5) as operation:
            start = anyio.current_time()
            operation.token.on_cancel(calls.append)
            with anyio.CancelScope(shield=True):
                await CancelationToken.any_of(operation.token).wait_for_cancel()
                assert anyio.current_time() - start == pytest.approx(5)
            await anyio.lowlevel.checkpoint()
    assert calls == [operation.token]
    assert operation.token.reason is CancelationReason.TIMEOUT


@pytest.mark.parametrize("timeout", [0, -1, math.nan, timedelta(0), -math.inf])
async def test_a_deadline_cannot_be_moved_to_the_past(timeout: float | timedelta) -> None:
    """Zero, negative and NaN seconds are ValueErrors, before and after entry, and change nothing."""
    operation = Cancelable.with_timeout(7)
    with pytest.raises(ValueError, match="timeout must be more than zero seconds"):
        operation.reschedule(timeout)
    async with operation:
        with pytest.raises(ValueError, match="timeout must be more than zero seconds"):
            operation.reschedule(timeout)
        assert operation.remaining() == pytest.approx(7)


async def test_a_deadline_cannot_be_moved_after_the_end() -> None:
    """An operation that has ended has no deadline to move."""
    async with Cancelable.with_timeout(7, name="report") as operation:
        pass
    with pytest.raises(RuntimeError, match="'report' can be moved only while it runs"):
        operation.reschedule(5)


async def test_a_deadline_that_passed_in_a_shield_comes_before_a_later_request() -> None:
    """A deadline that the loop has not told of yet was first all the same, whoever cancels a shared token then."""
    token = CancelationToken()
    with pytest.raises(TimeoutCancelation):
        async with Cancelable(timeout=1, token=token) as operation:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(2)
                await token.cancel("too late")
                await anyio.sleep(1)
            await anyio.lowlevel.checkpoint()
    assert operation.context.cancel_reason is CancelationReason.TIMEOUT
