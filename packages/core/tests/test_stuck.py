"""Reports of operations that were told to stop and do not."""

from __future__ import annotations

import gc
import logging
import math
import weakref
from collections.abc import Iterator
from datetime import timedelta

import anyio
import pytest

from hother.cancelable import Cancelable, CancelationReason, Observer, set_stuck_after

pytestmark = pytest.mark.virtual_time


@pytest.fixture(autouse=True)
def _off_again() -> Iterator[None]:
    yield
    set_stuck_after(None)


async def _ignore_for(seconds: float) -> None:
    """Sit where no cancellation gets through."""
    with anyio.CancelScope(shield=True):
        await anyio.sleep(seconds)


def _reports(caplog: pytest.LogCaptureFixture) -> list[str]:
    assert all((each.name, each.levelno) == ("hother.cancelable", logging.WARNING) for each in caplog.records)
    return [each.getMessage() for each in caplog.records]


@pytest.mark.parametrize("after", [30, timedelta(seconds=30)])
async def test_a_stuck_operation_is_reported_once(after: float | timedelta, caplog: pytest.LogCaptureFixture) -> None:
    """The report names the operation, the reason, the message, its age and the line where it sits."""
    set_stuck_after(after)
    async with Cancelable(name="import", move_on=True) as operation:
        await anyio.sleep(10)
        await operation.cancel(CancelationReason.SHUTDOWN, "going down")
        await _ignore_for(29)
        assert _reports(caplog) == []
        await _ignore_for(500)
        await anyio.sleep_forever()
    (report,) = _reports(caplog)
    first, *stack = report.splitlines()
    assert first.startswith("operation 'import' still runs 30 s after it was told to stop (shutdown: going down); ")
    assert first.endswith("it is 40 s old and sits at")
    assert any(__file__ in line and "_ignore_for" in line for line in stack)
    assert any(__file__ in line and "test_a_stuck_operation_is_reported_once" in line for line in stack)


async def test_an_operation_that_stops_in_time_is_not_reported(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is said of one that took its time but stopped, nor later."""
    set_stuck_after(30)
    async with Cancelable(move_on=True) as operation:
        await operation.cancel()
        await _ignore_for(29)
        await anyio.sleep_forever()
    await anyio.sleep(100)
    async with Cancelable():
        await anyio.sleep(100)
    assert _reports(caplog) == []


async def test_a_timeout_that_is_ignored_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    """The clock starts at the deadline; an operation without a name is called by its id."""
    set_stuck_after(3)
    async with Cancelable.with_timeout(5, operation_id="op-1", move_on=True):
        await _ignore_for(20)
        await anyio.sleep_forever()
    (report,) = _reports(caplog)
    assert "operation 'op-1' still runs 3 s after it was told to stop (timeout: not done within 5 s)" in report
    assert "it is 8 s old" in report


async def test_a_request_without_a_message(caplog: pytest.LogCaptureFixture) -> None:
    """Where nobody said anything the report has the reason alone."""
    set_stuck_after(3)
    async with Cancelable(name="import", move_on=True) as operation:
        operation.cancel_sync()
        await _ignore_for(20)
        await anyio.sleep_forever()
    assert "(manual); it is 3 s old" in _reports(caplog)[0]


async def test_nothing_is_reported_unless_it_is_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    """At the start, and after `set_stuck_after(None)`, no operation is reported."""
    set_stuck_after(1)
    set_stuck_after(None)
    async with Cancelable(move_on=True) as operation:
        await operation.cancel()
        await _ignore_for(1e6)
        await anyio.sleep_forever()
    assert _reports(caplog) == []


async def test_each_stuck_operation_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    """Every operation has a clock of its own."""
    set_stuck_after(3)

    async def run(name: str) -> None:
        async with Cancelable(name=name, move_on=True) as operation:
            await operation.cancel()
            await _ignore_for(20)
            await anyio.sleep_forever()

    async with anyio.create_task_group() as group:
        for name in ("one", "two", "three"):
            group.start_soon(run, name)
    assert sorted(report.split("'")[1] for report in _reports(caplog)) == ["one", "three", "two"]


async def test_an_observer_is_told_of_a_stuck_operation(caplog: pytest.LogCaptureFixture) -> None:
    """Observers get the operation and the text of the report."""
    told: list[tuple[Cancelable, str]] = []

    class Following(Observer):
        def operation_stuck(self, operation: Cancelable, report: str) -> None:
            told.append((operation, report))

    set_stuck_after(3)
    operation = Cancelable(move_on=True)
    operation._observers = (Following(),)
    async with operation:
        await operation.cancel()
        await _ignore_for(20)
        await anyio.sleep_forever()
    assert told == [(operation, _reports(caplog)[0])]


async def test_the_clock_of_an_operation_that_has_stopped_goes_with_it() -> None:
    """No timer waits on for an operation that has ended, so nothing of it stays."""
    set_stuck_after(30)
    async with Cancelable(move_on=True) as operation:
        await operation.cancel()
        await anyio.sleep_forever()
    gone = weakref.ref(operation)
    del operation
    await anyio.sleep(1)
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("wrong", [0, -1, math.nan, timedelta(0)])
def test_a_time_that_makes_no_sense_is_refused(wrong: float | timedelta) -> None:
    """Zero, negative and NaN are ValueErrors that name the argument."""
    with pytest.raises(ValueError, match="stuck_after must be more than zero seconds"):
        set_stuck_after(wrong)


@pytest.mark.parametrize("wrong", ["3", True, [3]])
def test_what_is_no_time_span_is_refused(wrong: object) -> None:
    """Everything else is a TypeError."""
    with pytest.raises(TypeError, match="stuck_after must be a number of seconds or a timedelta"):
        set_stuck_after(wrong)  # type: ignore[arg-type]
