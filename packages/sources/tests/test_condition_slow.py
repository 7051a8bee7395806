"""Conditions that hold up the event loop are named, once. Their time is made up: nothing waits here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import SimpleNamespace

import anyio
import pytest

from hother.cancelable import Cancelable, CancelationReason
from hother.cancelable.core import ErrorCancelation
from hother.cancelable.sources import ConditionSource, condition

from .asking import is_idle


class Clock:
    """Stands in for `time.perf_counter`."""

    def __init__(self) -> None:
        self.now = 0.0

    def slow(self, seconds: float, answer: bool = False) -> Callable[[], bool]:
        """Return a predicate that seems to take a time."""

        def predicate() -> bool:
            self.now += seconds
            return answer

        return predicate

    def slow_async(self, seconds: float) -> Callable[[], Awaitable[bool]]:
        """Return the same as a coroutine function."""

        async def predicate() -> bool:
            self.now += seconds
            return False

        return predicate


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Replace the clock that conditions are timed with."""
    clock = Clock()
    monkeypatch.setattr(condition, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    return clock


async def _run(*sources: ConditionSource) -> None:
    """Use one after the other."""
    for source in sources:
        async with Cancelable.with_source(source):
            await anyio.sleep(0.35)


@pytest.mark.virtual_time
async def test_slow_predicate_is_named_once(clock: Clock) -> None:
    """One warning for each source, however often it is asked or used; it names the condition and the remedy."""
    source = ConditionSource(clock.slow(0.051), condition_name="the disk is full")
    with pytest.warns(RuntimeWarning) as caught:
        await _run(source, source)
    (warning,) = caught
    assert str(warning.message) == (
        "the condition 'the disk is full' held up the event loop for 51 ms; "
        "with in_thread=True it is asked in a worker thread"
    )


@pytest.mark.virtual_time
async def test_each_slow_predicate_is_named(clock: Clock) -> None:
    """A warning about one source says nothing of another."""
    one = ConditionSource(clock.slow(0.2), condition_name="one")
    other = ConditionSource(clock.slow(0.3), condition_name="other")
    with pytest.warns(RuntimeWarning) as caught:
        await _run(one, other)
    assert [str(warning.message).partition(";")[0] for warning in caught] == [
        "the condition 'one' held up the event loop for 200 ms",
        "the condition 'other' held up the event loop for 300 ms",
    ]


@pytest.mark.virtual_time
async def test_predicate_that_becomes_slow(clock: Clock) -> None:
    """It is timed at each check, not only at the first one."""
    seconds = [0.06, 0.001, 0.001]

    def predicate() -> bool:
        clock.now += seconds.pop() if seconds else 0
        return False

    with pytest.warns(RuntimeWarning, match="for 60 ms"):
        await _run(ConditionSource(predicate))
    assert seconds == []


@pytest.mark.virtual_time
async def test_what_is_not_slow(clock: Clock) -> None:
    """Nothing is said of a predicate that takes 49 ms, nor of an async one, which lets others run."""
    await _run(ConditionSource(clock.slow(0.049)))
    await _run(ConditionSource(clock.slow_async(1)))


async def test_slow_in_a_thread(clock: Clock) -> None:
    """A predicate in a worker thread holds up nobody, and may take its time."""
    source = ConditionSource(clock.slow(1, answer=True), in_thread=True)
    async with Cancelable.with_source(source, move_on=True) as operation:
        await anyio.sleep_forever()
    assert operation.context.cancel_reason is CancelationReason.CONDITION


@pytest.mark.virtual_time
@pytest.mark.parametrize("checks", [0, 2])
async def test_where_warnings_are_errors(clock: Clock, checks: int) -> None:
    """The operation ends with ERROR and the warning as cause; the event loop goes on."""
    seconds = [0.06, *[0.0] * checks]

    def predicate() -> bool:
        clock.now += seconds.pop()
        return False

    with pytest.raises(ErrorCancelation) as caught:
        await _run(ConditionSource(predicate))
    assert isinstance(caught.value.__cause__, RuntimeWarning)
    assert seconds == []
    assert is_idle()
