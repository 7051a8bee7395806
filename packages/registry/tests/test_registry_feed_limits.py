"""Slow readers of the feed are told so, and hold up nobody; memory is bounded."""

from __future__ import annotations

import threading
import time

import anyio
import pytest

from hother.cancelable.registry import Event, EventKind, OperationRegistry, ThreadSafeRegistry, feed
from hother.cancelable.registry.feed import Feed

from .shared import done, listed, work


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten events are kept at least, twenty at most."""
    monkeypatch.setattr(feed, "KEPT", 10)


async def test_a_slow_reader_is_told() -> None:
    """A reader that was too slow gets one event that says so, then goes on with what comes next."""
    registry = OperationRegistry()
    slow, quick = registry.events(), registry.events()
    for number in range(15):
        await done(registry, str(number))
        await anext(quick)
        event = await anext(quick)
        assert event.kind is EventKind.FINISHED
    missed = await anext(slow)
    assert (missed.kind, missed.record) == (EventKind.MISSED, None)
    await done(registry, "next")
    event = await anext(slow)
    assert (event.kind, event.record and event.record.name) == (EventKind.STARTED, "next")


async def test_memory_is_bounded() -> None:
    """However many events come, some of the latest are kept and the rest forgotten."""
    registry = OperationRegistry()
    registry.events()
    for _ in range(100):
        await done(registry, "job")
        assert len(registry.engine.tracker.feed._events) <= 20


@pytest.mark.parametrize("after", ["999", "-1"])
async def test_an_event_that_is_not_known(after: str) -> None:
    """Who resumes after an event of another time, as before a restart, is told that something was missed."""
    registry = OperationRegistry()
    events = registry.events(after)
    assert (await anext(events)).kind is EventKind.MISSED
    await done(registry, "job")
    assert (await anext(events)).kind is EventKind.STARTED


async def test_resuming_where_that_is_kept_no_more() -> None:
    """The id in the event that says so can be resumed from."""
    registry = OperationRegistry()
    registry.events()
    for _ in range(20):
        await done(registry, "job")
    missed = await anext(registry.events("1"))
    assert missed.kind is EventKind.MISSED
    await done(registry, "next")
    event = await anext(registry.events(missed.id))
    assert event.record is not None
    assert event.record.name == "next"


async def test_readers_that_went_away() -> None:
    """A reader that was cancelled while it waited leaves nothing behind."""
    registry = OperationRegistry()
    events = registry.events()
    async with anyio.create_task_group() as group:
        group.start_soon(anext, events)
        await anyio.wait_all_tasks_blocked()
        assert len(registry.engine.tracker.feed._wakers) == 1
        group.cancel_scope.cancel()
    assert registry.engine.tracker.feed._wakers == {}
    assert list(ThreadSafeRegistry(registry).events(timeout=0.001)) == []
    assert registry.engine.tracker.feed._wakers == {}


async def test_a_stalled_reader_costs_operations_nothing() -> None:
    """A thread that has stopped reading in the midst does not hold up an operation."""
    registry = OperationRegistry()
    reading, go_on, seen = threading.Event(), threading.Event(), list[EventKind]()

    def stall() -> None:
        for event in ThreadSafeRegistry(registry).events("0", timeout=20):
            seen.append(event.kind)
            reading.set()
            go_on.wait()
            if event.kind is EventKind.MISSED:
                return

    registry.events()
    thread = threading.Thread(target=stall)
    thread.start()
    await done(registry, "first")
    assert reading.wait(20)
    began = time.perf_counter()
    for _ in range(50):
        await done(registry, "job")
    assert time.perf_counter() - began < 10
    go_on.set()
    thread.join()
    assert seen[-1] is EventKind.MISSED
    assert await registry.list_operations() == []


def test_events_from_many_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events of many threads at once are each kept once, and none is lost to a reader that keeps up."""
    threads, each, heard = 4, 200, list[str]()
    registry = OperationRegistry()
    record = ThreadSafeRegistry(registry).list_operations
    news = registry.engine.tracker.feed
    position = news.begin()
    operation = work(operation_id="1")
    anyio.run(listed, registry, operation)
    [snapshot] = record()
    turn = threading.Barrier(threads + 1)

    def publish(number: int) -> None:
        turn.wait()
        for count in range(each):
            news.publish(EventKind.PROGRESS, snapshot._replace(id=f"{number} {count}"))

    monkeypatch.setattr(feed, "KEPT", 10_000)
    started = [threading.Thread(target=publish, args=(number,)) for number in range(threads)]
    for thread in started:
        thread.start()
    turn.wait()
    while len(heard) < threads * each:
        events = news.wait_sync(position, 20)
        assert events
        position = events[-1].id
        heard += [event.record.id for event in events if event.record is not None]
    assert sorted(heard) == sorted(f"{number} {count}" for number in range(threads) for count in range(each))
    for number in range(threads):
        mine = [each for each in heard if each.startswith(f"{number} ")]
        assert mine == [f"{number} {count}" for count in range(each)]


def test_positions_while_events_are_dropped() -> None:
    """The numbers of events go on when the oldest are forgotten."""
    news = Feed()
    news.begin()
    registry = OperationRegistry()
    anyio.run(listed, registry, work())
    [record] = ThreadSafeRegistry(registry).list_operations()
    position, last = news.begin(), 0
    for number in range(1, 101):
        news.publish(EventKind.PROGRESS, record)
        if number % 7 == 0:
            events = news.after(position)
            assert [int(event.id) for event in events] == list(range(last + 1, number + 1))
            position, last = events[-1].id, number


async def test_an_event_at_the_last_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event that comes between looking and waiting is not slept through."""
    news, registry = Feed(), OperationRegistry()
    await listed(registry, work())
    [record] = await registry.list_operations()
    position, after = news.begin(), news.after

    def slowly(position: str) -> list[Event]:
        events = after(position)
        monkeypatch.setattr(news, "after", after)
        news.publish(EventKind.PROGRESS, record)
        return events

    monkeypatch.setattr(news, "after", slowly)
    with anyio.fail_after(20):
        assert [event.kind for event in await news.wait(position)] == [EventKind.PROGRESS]
