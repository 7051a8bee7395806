"""Timeouts as sources: alone the operation's deadline, in composites and by a name a timer of their own."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import anyio
import pytest

from hother.cancelable import Cancelable, CancelationReason, CancelationSource, CancelationToken, TimeoutCancelation
from hother.cancelable.sources import AllOfSource, AnyOfSource, TimeoutSource, TokenSource

from .shared import Wire, count_tasks, count_timers

ENDING_ALONE: dict[str, Callable[[TimeoutSource], CancelationSource]] = {
    "alone": lambda source: source,
    "in an any-of": lambda source: AnyOfSource(Wire(), source),
    "in nested any-ofs": lambda source: Wire() | AnyOfSource(AnyOfSource(source), TokenSource(CancelationToken())),
}

COUNTING: dict[str, Callable[[], CancelationSource]] = {
    "alone": lambda: TimeoutSource(5),
    "by a name": lambda: TimeoutSource(5, "the budget"),
    "in an all-of": lambda: AllOfSource(TimeoutSource(5), TimeoutSource(3)),
}


@pytest.mark.virtual_time
@pytest.mark.parametrize("place", ENDING_ALONE)
async def test_a_timeout_is_the_deadline(place: str) -> None:
    """Where nothing else is needed it can be read, takes no task, and ends the operation like any timeout."""
    start, tasks = anyio.current_time(), count_tasks()
    with pytest.raises(TimeoutCancelation, match="not done within 5 s"):
        async with Cancelable.with_source(ENDING_ALONE[place](TimeoutSource(5))) as operation:
            assert count_tasks() == tasks
            assert operation.deadline == pytest.approx(start + 5)
            await anyio.sleep(2)
            assert operation.remaining() == pytest.approx(3)
            assert count_tasks() == tasks
            await anyio.sleep_forever()
    assert anyio.current_time() - start == pytest.approx(5)
    context = operation.context
    assert (context.cancel_reason, context.cancel_origin) == (CancelationReason.TIMEOUT, "timeout")
    assert count_tasks() == tasks


@pytest.mark.virtual_time
@pytest.mark.parametrize("place", ENDING_ALONE)
async def test_a_deadline_of_a_timeout_is_moved(place: str) -> None:
    """`reschedule` moves it and lifts it, in the body."""
    start = anyio.current_time()
    with pytest.raises(TimeoutCancelation):
        async with Cancelable.with_source(ENDING_ALONE[place](TimeoutSource(5))) as operation:
            await anyio.sleep(4)
            operation.reschedule(5)
            await anyio.sleep_forever()
    assert anyio.current_time() - start == pytest.approx(9)
    async with Cancelable.with_source(ENDING_ALONE[place](TimeoutSource(5))) as operation:
        operation.reschedule(None)
        assert operation.deadline is None
        await anyio.sleep(50)
    assert operation.is_completed


@pytest.mark.virtual_time
@pytest.mark.parametrize("place", ENDING_ALONE)
@pytest.mark.parametrize(("timeout", "seconds"), [(3, 8), (8, 3), (3, 3)])
async def test_the_earliest_of_timeout_and_source_counts(place: str, timeout: float, seconds: float) -> None:
    """The operation's own timeout and the source's hold side by side."""
    start = anyio.current_time()
    with pytest.raises(TimeoutCancelation, match="not done within 3 s"):
        async with Cancelable(timeout=timeout, sources=[ENDING_ALONE[place](TimeoutSource(seconds))]) as operation:
            assert operation.remaining() == pytest.approx(3)
            await anyio.sleep_forever()
    assert anyio.current_time() - start == pytest.approx(3)


@pytest.mark.virtual_time
async def test_the_earliest_of_several_sources_counts() -> None:
    """Also of sources that came by `combine`, which all count from the entry of the whole."""
    parts = [Cancelable.with_source(TimeoutSource(each)) for each in (9, 4, 6)]
    whole = parts[0].combine(*parts[1:])
    await anyio.sleep(20)
    start = anyio.current_time()
    with pytest.raises(TimeoutCancelation):
        async with whole:
            await anyio.sleep_forever()
    assert anyio.current_time() - start == pytest.approx(4)


@pytest.mark.virtual_time
@pytest.mark.parametrize("composite", [None, AnyOfSource, AllOfSource])
async def test_a_timeout_with_a_name_keeps_its_own_time(composite: Any) -> None:
    """It is no deadline that could be read or moved; its name is the origin, and its timer ends with the operation."""
    start, tasks, timers = anyio.current_time(), count_tasks(), count_timers()
    source: CancelationSource = TimeoutSource(5, "the budget")
    if composite is not None:
        source = composite(source)
    with pytest.raises(TimeoutCancelation, match="not done within 5 s"):
        async with Cancelable(timeout=60, sources=[source]) as operation:
            assert operation.remaining() == pytest.approx(60)
            operation.reschedule(30)
            await anyio.sleep_forever()
    assert anyio.current_time() - start == pytest.approx(5)
    context = operation.context
    assert (context.cancel_reason, context.cancel_origin) == (CancelationReason.TIMEOUT, "the budget")
    async with Cancelable.with_source(source):
        await anyio.sleep(2)
    await anyio.wait_all_tasks_blocked()
    assert (count_tasks(), count_timers()) == (tasks, timers)


@pytest.mark.virtual_time
async def test_a_deadline_beside_a_timeout_with_a_name() -> None:
    """Whichever comes first ends the operation."""
    start = anyio.current_time()
    with pytest.raises(TimeoutCancelation, match="not done within 4 s"):
        async with Cancelable(timeout=4, sources=[TimeoutSource(5, "the budget")]) as operation:
            await anyio.sleep_forever()
    assert operation.context.cancel_origin == "timeout"
    assert anyio.current_time() - start == pytest.approx(4)


@pytest.mark.virtual_time
@pytest.mark.parametrize("inner", [None, AnyOfSource])
async def test_a_timeout_in_an_all_of_keeps_its_own_time(inner: Any) -> None:
    """It sets no deadline, since it ends nothing by itself, and fires at its time with the record of a deadline."""
    start, wire, source = anyio.current_time(), Wire(), TimeoutSource(5)
    composite = AllOfSource(wire, source if inner is None else inner(source))
    with pytest.raises(TimeoutCancelation, match="not done within 5 s"):
        async with Cancelable.with_source(composite) as operation:
            assert operation.deadline is None
            assert operation.remaining() == math.inf
            wire.fire("early")
            await anyio.sleep_forever()
    assert anyio.current_time() - start == pytest.approx(5)
    context = operation.context
    assert (context.cancel_reason, context.cancel_origin) == (CancelationReason.TIMEOUT, "timeout")
    async with Cancelable.with_source(composite) as operation:
        await anyio.sleep(20)
    assert operation.is_completed


@pytest.mark.virtual_time
@pytest.mark.parametrize("place", COUNTING)
async def test_it_counts_from_entry(place: str) -> None:
    """What runs before it is armed, like a callback at the start, takes nothing from the time of the whole."""

    async def prepare(context: object) -> None:
        await anyio.sleep(2)

    start = anyio.current_time()
    with pytest.raises(TimeoutCancelation, match="not done within 5 s"):
        async with Cancelable(sources=[COUNTING[place]()]).on_start(prepare):
            assert anyio.current_time() - start == pytest.approx(2)
            await anyio.sleep_forever()
    assert anyio.current_time() - start == pytest.approx(5)


@pytest.mark.virtual_time
@pytest.mark.parametrize("place", COUNTING)
async def test_time_is_up_before_it_is_armed(place: str) -> None:
    """The body is ended at its first await."""

    async def prepare(context: object) -> None:
        await anyio.sleep(7)

    start = anyio.current_time()
    with pytest.raises(TimeoutCancelation):
        async with Cancelable(sources=[COUNTING[place]()]).on_start(prepare):
            await anyio.sleep_forever()
    assert anyio.current_time() - start == pytest.approx(7)


@pytest.mark.virtual_time
async def test_a_timeout_awaited_by_hand() -> None:
    """`wait()` waits for that time and says so."""
    start = anyio.current_time()
    assert await TimeoutSource(2.5).wait() == "not done within 2.5 s"
    assert anyio.current_time() - start == pytest.approx(2.5)


@pytest.mark.virtual_time
@pytest.mark.parametrize("name", [None, "the budget"])
async def test_a_timeout_that_is_used_again(name: str | None) -> None:
    """It counts from each entry."""
    source = TimeoutSource(3, name)
    for _ in range(2):
        start = anyio.current_time()
        with pytest.raises(TimeoutCancelation):
            async with Cancelable.with_source(source):
                await anyio.sleep_forever()
        assert anyio.current_time() - start == pytest.approx(3)
        async with Cancelable.with_source(source):
            await anyio.sleep(2)


@pytest.mark.parametrize("name", [None, "never"])
async def test_a_timeout_that_never_comes(name: str | None) -> None:
    """Infinity and centuries are fine."""
    for seconds in (math.inf, 1e12):
        async with Cancelable.with_source(TimeoutSource(seconds, name)) as operation:
            await anyio.wait_all_tasks_blocked()
        assert operation.is_completed


def test_time_spans() -> None:
    """Seconds and `timedelta` are the same, and the text shows the seconds."""
    source = TimeoutSource(timedelta(minutes=1, milliseconds=500))
    assert source.timeout == TimeoutSource(60.5).timeout == 60.5
    assert repr(source) == "TimeoutSource(60.5)"
    assert repr(TimeoutSource(3)) == "TimeoutSource(3)"


@pytest.mark.parametrize("timeout", [0, 0.0, -1, -0.5, math.nan, -math.inf, timedelta(0), timedelta(days=-1)], ids=repr)
def test_no_time_at_all(timeout: Any) -> None:
    """Zero, negative and NaN are a ValueError that names the value, when the source is made."""
    value = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
    with pytest.raises(ValueError, match=f"timeout must be more than zero seconds, not {value!r}"):
        TimeoutSource(timeout)


@pytest.mark.parametrize("timeout", [True, False, "5", None, [5], b"5", 5j], ids=repr)
def test_no_time_span(timeout: Any) -> None:
    """Anything but a number or a `timedelta` is a TypeError that names the value, when the source is made."""
    with pytest.raises(TypeError) as caught:
        TimeoutSource(timeout)
    assert str(caught.value) == f"timeout must be a number of seconds or a timedelta, not {timeout!r}"


@pytest.mark.parametrize("name", [3, True, b"name"], ids=repr)
def test_no_name(name: Any) -> None:
    """It is refused when the source is made, with a TypeError that shows it."""
    with pytest.raises(TypeError) as caught:
        TimeoutSource(1, name=name)
    assert str(caught.value) == f"name must be a str, not {name!r}"
