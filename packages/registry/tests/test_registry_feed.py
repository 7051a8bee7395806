"""The feed: every event once, in order, for any number of readers."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import anyio
import anyio.to_thread
import pytest

from hother.cancelable import Cancelable
from hother.cancelable.registry import Event, EventFeed, EventKind, OperationRegistry, RecordStatus, ThreadSafeRegistry

from .shared import done, listed, work

STARTED, PROGRESS, FINISHED = EventKind.STARTED, EventKind.PROGRESS, EventKind.FINISHED
REQUESTED, DELIVERED = EventKind.CANCEL_REQUESTED, EventKind.CANCEL_DELIVERED


async def read(feed: EventFeed, number: int) -> list[Event]:
    """Return so many events."""
    return [await anext(feed) for _ in range(number)]


def short(events: list[Event]) -> list[tuple[EventKind, str | None]]:
    """Return what has happened, and to which operation."""
    return [(event.kind, event.record and event.record.name) for event in events]


async def test_the_life_of_an_operation() -> None:
    """Each step is told once, in order, with the record as it was then."""
    registry, operation = OperationRegistry(), work("job")
    feed = registry.events()
    await listed(registry, operation)
    async with operation:
        await operation.report_progress("half", {"percent": 50})
        await registry.cancel(operation.operation_id, message="enough")
        await anyio.sleep_forever()
    events = await read(feed, 5)
    assert short(events) == [(kind, "job") for kind in (STARTED, PROGRESS, REQUESTED, DELIVERED, FINISHED)]
    records = [event.record for event in events if event.record is not None]
    running = RecordStatus.RUNNING
    assert [record.status for record in records] == [running, running, running, running, RecordStatus.CANCELLED]
    assert [record.progress and record.progress.percent for record in records] == [None, 50.0, 50.0, 50.0, 50.0]
    assert [record.cancel_message for record in records] == [None, None, "enough", "enough", "enough"]
    assert [record.cancel and record.cancel.delivered is not None for record in records[2:]] == [False, True, True]
    assert {event.worker for event in events} == {"local"}
    times = [event.time for event in events]
    assert times == sorted(times)


async def test_a_pending_operation_starts_when_it_is_entered() -> None:
    """Registering an operation ahead is no start."""
    registry, operation = OperationRegistry(), work("early")
    feed = registry.events()
    await listed(registry, operation)
    await done(registry, "other")
    async with operation:
        await registry.register(operation)
    assert short(await read(feed, 4)) == [
        (STARTED, "other"),
        (FINISHED, "other"),
        (STARTED, "early"),
        (FINISHED, "early"),
    ]


async def test_readers_wait() -> None:
    """A reader that has read everything sleeps until something happens."""
    registry = OperationRegistry()
    feed, events = registry.events(), list[Event]()

    async def follow() -> None:
        events.extend(await read(feed, 2))

    async with anyio.create_task_group() as group:
        group.start_soon(follow)
        await anyio.wait_all_tasks_blocked()
        assert events == []
        await done(registry, "job")
    assert short(events) == [(STARTED, "job"), (FINISHED, "job")]


async def test_several_readers() -> None:
    """Each reader has every event, at its own pace, from the moment on at which its feed was made."""
    registry = OperationRegistry()
    first = registry.events()
    await done(registry, "a")
    second = registry.events()
    await done(registry, "b")
    assert [name for _, name in short(await read(first, 4))] == ["a", "a", "b", "b"]
    assert [name for _, name in short(await read(second, 2))] == ["b", "b"]


async def test_resuming() -> None:
    """Who knows the id of an event gets what came after it."""
    registry = OperationRegistry()
    events = registry.events()
    await done(registry, "a", "b", "c")
    kept = await read(events, 6)
    assert len({event.id for event in kept}) == 6
    for number, event in enumerate(kept[:-1], 1):
        assert await read(registry.events(event.id), 6 - number) == kept[number:]


async def test_a_cancelled_reader_loses_nothing() -> None:
    """A feed whose reader was interrupted while it waited goes on where it was."""
    registry = OperationRegistry()
    feed = registry.events()
    async with anyio.create_task_group() as group:
        group.start_soon(read, feed, 1)
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    await done(registry, "job")
    assert short(await read(feed, 2)) == [(STARTED, "job"), (FINISHED, "job")]


async def test_a_reader_lets_others_run() -> None:
    """Reading is a checkpoint at each event, also where there is no need to wait."""
    registry = OperationRegistry()
    feed = registry.events()
    await done(registry, "job")
    with anyio.CancelScope() as scope:
        scope.cancel()
        await anext(feed)
    assert scope.cancelled_caught
    assert short(await read(feed, 2)) == [(STARTED, "job"), (FINISHED, "job")]


async def test_nothing_is_kept_before_the_first_reader() -> None:
    """As long as nobody reads, events cost nothing and are not kept."""
    registry = OperationRegistry()
    await done(registry, "before")
    feed = registry.events()
    await done(registry, "after")
    assert [name for _, name in short(await read(feed, 2))] == ["after", "after"]
    assert registry.engine.tracker.feed._events[0].record is not None
    assert len(registry.engine.tracker.feed._events) == 2


async def test_from_threads_and_other_loops() -> None:
    """Events come from other threads and loops, to readers on this loop and in threads."""
    registry = OperationRegistry()
    view, heard = ThreadSafeRegistry(registry), list[Event]()
    blocking = view.events(timeout=20)
    feed = registry.events()

    async def there() -> None:
        async with Cancelable(name="there") as operation:
            await registry.register(operation)

    def listen() -> None:
        heard.extend(next(blocking) for _ in range(4))

    async with anyio.create_task_group() as group:
        group.start_soon(anyio.to_thread.run_sync, listen)
        for backend in ("asyncio", "trio"):
            thread = threading.Thread(target=anyio.run, args=(there,), kwargs={"backend": backend})
            thread.start()
            events = await read(feed, 2)
            assert short(events) == [(STARTED, "there"), (FINISHED, "there")]
            await anyio.to_thread.run_sync(thread.join)
    assert short(heard) == [(STARTED, "there"), (FINISHED, "there")] * 2


@pytest.fixture
def registry() -> Iterator[OperationRegistry]:
    """A registry that follows every operation."""
    registry = OperationRegistry()
    registry.track_all()
    yield registry
    registry.track_no_more()


def test_blocking_readers(registry: OperationRegistry) -> None:
    """A loop over events in a thread ends when nothing has happened for so long."""
    feed = ThreadSafeRegistry(registry).events(timeout=0.02)
    assert iter(feed) is feed
    anyio.run(done, registry, "a", "b")
    assert [name for _, name in short(list(feed))] == ["a", "a", "b", "b"]
    assert list(feed) == []
    anyio.run(done, registry, "c")
    assert [name for _, name in short(list(feed))] == ["c", "c"]


def test_a_blocking_reader_resumes(registry: OperationRegistry) -> None:
    """A reader in a thread may begin after an event that it knows."""
    view = ThreadSafeRegistry(registry)
    feed = view.events(timeout=20)
    anyio.run(done, registry, "a")
    first = next(feed)
    assert short(list(view.events(first.id, timeout=0.001))) == [(FINISHED, "a")]
