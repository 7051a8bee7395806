"""Numbers: how many, how long, why; each kept in constant time."""

from __future__ import annotations

import time
from collections.abc import Callable

import anyio
import pytest

from hother.cancelable import Cancelable, CancelationReason
from hother.cancelable.registry import OperationRegistry

from . import shared
from .shared import done, each_view, listed, work


async def end(registry: OperationRegistry, reason: CancelationReason) -> None:
    """Run an operation that is cancelled."""
    operation = work()
    await registry.register(operation)
    async with operation:
        await operation.cancel(reason)
        await anyio.sleep_forever()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the time of day forward, or back."""
    now = [1000.0]
    monkeypatch.setattr(time, "time", lambda: now[0])

    def pass_by(seconds: float) -> None:
        now[0] += seconds

    return pass_by


@each_view
async def test_nothing_yet(view: shared.View) -> None:
    """A new registry has zeros."""
    assert await view(OperationRegistry()).get_statistics() == {
        "active_operations": 0,
        "active_by_status": {},
        "total_started": 0,
        "total_completed": 0,
        "ended_by_status": {},
        "ended_by_reason": {},
        "history_size": 0,
        "history_by_status": {},
        "average_duration_seconds": 0.0,
        "longest_duration_seconds": 0.0,
        "cancel_latency": {"delivery_mean": 0.0, "delivery_max": 0.0, "unwind_mean": 0.0, "unwind_max": 0.0},
    }


@each_view
async def test_by_status_and_reason(view: shared.View) -> None:
    """Ends are counted by status, those by cancelation by reason as well; what runs is counted by status."""
    registry = OperationRegistry(history_limit=2)
    await done(registry, "a", "b")
    for reason in (CancelationReason.SHUTDOWN, CancelationReason.MANUAL, CancelationReason.SHUTDOWN):
        await end(registry, reason)
    failing, running, pending = work(), work(), work()
    await listed(registry, failing, running, pending)
    with pytest.raises(KeyError):
        async with failing:
            raise KeyError
    async with running:
        statistics = await view(registry).get_statistics()
    assert (statistics["active_operations"], statistics["total_started"], statistics["total_completed"]) == (2, 7, 6)
    assert statistics["active_by_status"] == {"running": 1, "pending": 1}
    assert statistics["ended_by_status"] == {"completed": 2, "cancelled": 3, "failed": 1}
    assert statistics["ended_by_reason"] == {"shutdown": 2, "manual": 1}
    assert (statistics["history_size"], statistics["history_by_status"]) == (2, {"cancelled": 1, "failed": 1})


@pytest.mark.virtual_time
async def test_a_timeout_is_counted() -> None:
    """Operations that time out are counted under that reason."""
    registry, operation = OperationRegistry(), Cancelable.with_timeout(5, move_on=True)
    await listed(registry, operation)
    async with operation:
        await anyio.sleep_forever()
    statistics = await registry.get_statistics()
    assert (statistics["ended_by_status"], statistics["ended_by_reason"]) == ({"cancelled": 1}, {"timeout": 1})


async def test_a_request_that_came_too_late_is_no_cancelation() -> None:
    """An operation that completes though it was told to stop is not counted under a reason."""
    registry, operation = OperationRegistry(), work()
    await listed(registry, operation)
    async with operation:
        await operation.cancel()
    statistics = await registry.get_statistics()
    assert (statistics["ended_by_status"], statistics["ended_by_reason"]) == ({"completed": 1}, {})


async def test_durations(clock: Callable[[float], None]) -> None:
    """Durations have a mean and a maximum; a clock that was set back counts as no time."""
    registry = OperationRegistry()
    for seconds in (1.0, 5.0, -3.0):
        operation = work()
        await listed(registry, operation)
        async with operation:
            clock(seconds)
    statistics = await registry.get_statistics()
    assert statistics["average_duration_seconds"] == pytest.approx(2.0)
    assert statistics["longest_duration_seconds"] == pytest.approx(5.0)


async def test_latency_of_cancelations(clock: Callable[[float], None]) -> None:
    """Cancelations are timed from asked to told, and from told to ended."""
    registry = OperationRegistry()
    for told, ended in ((1.0, 10.0), (3.0, 20.0)):
        operation = work()
        await listed(registry, operation)
        async with operation:
            operation.cancel_sync()
            clock(told)  # before the loop hears of it
            with anyio.CancelScope(shield=True):
                await anyio.wait_all_tasks_blocked()
            clock(ended)
            await anyio.sleep_forever()
    assert (await registry.get_statistics())["cancel_latency"] == {
        "delivery_mean": pytest.approx(2.0),
        "delivery_max": pytest.approx(3.0),
        "unwind_mean": pytest.approx(15.0),
        "unwind_max": pytest.approx(20.0),
    }


async def test_entering_counts_a_pending_operation_once() -> None:
    """An operation that was registered before entry moves from pending to running to ended."""
    registry, operation = OperationRegistry(), work()
    await listed(registry, operation, operation)
    assert (await registry.get_statistics())["active_by_status"] == {"pending": 1}
    assert (await registry.get_statistics())["total_started"] == 0
    async with operation:
        assert (await registry.get_statistics())["active_by_status"] == {"running": 1}
    statistics = await registry.get_statistics()
    assert (statistics["active_operations"], statistics["total_started"]) == (0, 1)
