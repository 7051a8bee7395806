"""Conditions that hold up the event loop are named, once. Their time is made up: nothing waits here."""

from __future__ import annotations

import functools
import operator
from collections.abc import Awaitable, Callable
from types import FunctionType, SimpleNamespace

import anyio
import pytest

from hother.cancelable import Cancelable, CancelationReason, cancelable_with_condition
from hother.cancelable.core import ErrorCancelation
from hother.cancelable.sources import ConditionSource, condition, slowness

from .asking import is_idle


class Clock:
    """Stands in for `time.perf_counter`."""

    def __init__(self) -> None:
        self.now = 0.0

    def slow_method(self) -> bool:
        """Seem to take 0.2 s."""
        self.now += 0.2
        return False

    def __call__(self) -> list[str]:
        """Do the same as an object that is called."""
        return ["an item"] if self.slow_method() else []

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
    monkeypatch.setattr(slowness, "_named", set[object]())
    return clock


async def _run(*sources: ConditionSource) -> None:
    """Use one after the other."""
    for source in sources:
        async with Cancelable.with_source(source):
            await anyio.sleep(0.35)


@pytest.mark.virtual_time
async def test_slow_predicate_is_named_once(clock: Clock) -> None:
    """However often it is asked or used: one warning at its line, which names the condition and the remedy."""
    predicate = clock.slow(0.051)
    source = ConditionSource(predicate, condition_name="the disk is full")
    with pytest.warns(RuntimeWarning) as caught:
        await _run(source, source)
    (warning,) = caught
    assert str(warning.message) == (
        "the condition 'the disk is full' held up the event loop for 51 ms; "
        "with in_thread=True it is asked in a worker thread"
    )
    assert isinstance(predicate, FunctionType)
    assert (warning.filename, warning.lineno) == (__file__, predicate.__code__.co_firstlineno)


def _made_anew(clock: Clock) -> dict[str, Callable[[], Callable[[], object]]]:
    """Return ways to make a slow predicate, which make another object each time."""
    bound = clock.slow_method
    return {
        "function": lambda: clock.slow(0.2),
        "lambda": lambda: lambda: bound(),
        "method": lambda: clock.slow_method,
        "object": lambda: clock,
        "partial": lambda: functools.partial(Clock.slow_method, clock),
        "decorated": lambda: _decorated(bound),
        "builtin": lambda: functools.partial(operator.methodcaller("slow_method"), clock),
    }


@pytest.mark.virtual_time
async def test_a_decorated_function_is_called_often(clock: Clock) -> None:
    """Each call has a source of its own, and still there is one warning."""
    seconds = 0.05

    def predicate() -> bool:
        nonlocal seconds
        seconds += 0.01  # so that the text differs, too
        clock.now += seconds
        return False

    @cancelable_with_condition(predicate)
    async def work() -> None:
        await anyio.sleep(0.25)

    async def work_often() -> None:
        for _ in range(5):
            await work()

    with pytest.warns(RuntimeWarning) as caught:
        await work_often()
    assert len(caught) == 1


@pytest.mark.virtual_time
@pytest.mark.parametrize("kind", _made_anew(Clock()))
async def test_predicates_that_are_made_anew(clock: Clock, kind: str) -> None:
    """They are one predicate, if they are written once; where that is in Python, the warning shows it."""
    make = _made_anew(clock)[kind]
    with pytest.warns(RuntimeWarning, match="for 200 ms") as caught:
        await _run(ConditionSource(make()), ConditionSource(make()))
    (warning,) = caught
    assert (warning.filename == __file__) is (kind != "builtin")


def _as_it_is(function: Callable[[], bool]) -> Callable[[], bool]:
    return function


def _decorated(function: Callable[[], bool]) -> Callable[[], bool]:
    return functools.wraps(function)(lambda: function())


@pytest.mark.virtual_time
@pytest.mark.parametrize("decorate", [_as_it_is, _decorated])
async def test_each_slow_predicate_is_named(clock: Clock, decorate: Callable[..., Callable[[], bool]]) -> None:
    """A warning about one predicate says nothing of another, even if they share a decorator."""
    one = ConditionSource(decorate(clock.slow(0.3)), condition_name="one")
    other = ConditionSource(decorate(clock.slow_method), condition_name="other")
    with pytest.warns(RuntimeWarning) as caught:
        await _run(one, other)
    assert [str(warning.message).partition(";")[0] for warning in caught] == [
        "the condition 'one' held up the event loop for 300 ms",
        "the condition 'other' held up the event loop for 200 ms",
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
    """Each operation ends with ERROR and the warning as cause; the event loop goes on."""
    seconds = [0.06, *[0.0] * checks] * 2

    def predicate() -> bool:
        clock.now += seconds.pop()
        return False

    for left in (checks + 1, 0):
        with pytest.raises(ErrorCancelation) as caught:
            await _run(ConditionSource(predicate))
        assert isinstance(caught.value.__cause__, RuntimeWarning)
        assert len(seconds) == left
    assert is_idle()
