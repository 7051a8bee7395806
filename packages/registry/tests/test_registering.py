"""How operations come to be listed, and how they leave."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import anyio
import anyio.to_thread
import pytest

from hother.cancelable import Cancelable, ManualCancelation
from hother.cancelable.core import Observer
from hother.cancelable.registry import DuplicateOperation, OperationRegistry, RecordStatus, ThreadSafeRegistry

from .shared import View, each_view, running, work


@pytest.fixture
def registry() -> Iterator[OperationRegistry]:
    """A new registry of the process, for the length of a test."""
    before = OperationRegistry.get_instance()
    yield OperationRegistry().install()
    before.install()


async def names(registry: OperationRegistry) -> list[str | None]:
    """Return the names of what is listed."""
    return [record.name for record in await registry.list_operations()]


async def test_registered_globally(registry: OperationRegistry) -> None:
    """An operation made with `register_globally=True` is listed from entry to exit, another one is not."""
    operation = Cancelable(name="listed", register_globally=True)
    assert await names(registry) == []
    async with operation, Cancelable(name="unlisted"):
        assert await names(registry) == ["listed"]
        assert await registry.get_operation(operation.operation_id) is operation
    assert await names(registry) == []
    assert await registry.get_operation(operation.operation_id) is None


async def test_every_factory_registers_globally(registry: OperationRegistry) -> None:
    """The option is one of every factory, and ends that raise leave the list as well."""
    with pytest.raises(ManualCancelation):
        async with Cancelable.with_timeout(9, name="a", register_globally=True) as operation:
            assert await names(registry) == ["a"]
            await operation.cancel()
            await anyio.sleep_forever()
    with pytest.raises(KeyError):
        async with Cancelable.with_token(operation.token, name="b", register_globally=True):
            raise KeyError("b")
    assert await names(registry) == []
    assert [record.name for record in await registry.get_history()] == ["b", "a"]


@each_view
async def test_by_hand_before_entry(view: View) -> None:
    """An operation that is registered before it is entered is listed as pending, then as running, then not."""
    registry, operation = view(OperationRegistry()), work("early")
    await registry.register(operation)
    [record] = await registry.list_operations()
    assert (record.status, record.started, record.age) == (RecordStatus.PENDING, None, 0.0)
    async with operation:
        [record] = await registry.list_operations()
        assert record.status is RecordStatus.RUNNING
        assert record.started is not None
    assert await registry.list_operations() == []


@each_view
async def test_by_hand_while_it_runs(view: View) -> None:
    """An operation can be registered in its midst, and a second time without effect."""
    registry, operation = view(OperationRegistry()), work("late")
    async with operation:
        await registry.register(operation)
        await registry.register(operation)
        [record] = await registry.list_operations()
        assert (record.id, record.status) == (operation.operation_id, RecordStatus.RUNNING)
    assert len(await registry.get_history()) == 1


@each_view
async def test_unregister(view: View) -> None:
    """An operation that is unregistered runs on, and is in no list or history."""
    registry, operation = view(OperationRegistry()), work()
    await registry.register(operation)
    async with operation:
        assert await registry.unregister(operation.operation_id) is True
        assert await registry.unregister(operation.operation_id) is False
        assert await registry.list_operations() == []
    assert operation.is_completed
    assert await registry.get_history() == []


async def test_unregister_before_entry() -> None:
    """An operation that is unregistered before entry is not listed when it runs, and is no longer counted."""
    registry, operation = OperationRegistry(), work()
    await registry.register(operation)
    assert await registry.unregister(operation.operation_id)
    assert (await registry.get_statistics())["active_operations"] == 0
    async with operation:
        assert await registry.list_operations() == []


async def test_track_all() -> None:
    """After `track_all` each operation is listed, registered or not, once, until that is taken back."""
    registry = OperationRegistry()
    registry.track_all()
    registry.track_all()
    try:
        async with work("a") as first, work("b"):
            await registry.register(first)
            assert await names(registry) == ["a", "b"]
    finally:
        registry.track_no_more()
        registry.track_no_more()
    async with work("c"):
        assert await names(registry) == []
    assert [record.name for record in await registry.get_history()] == ["a", "b"]


async def test_track_all_from_a_thread() -> None:
    """The view for threads does the same."""
    registry = OperationRegistry()
    view = ThreadSafeRegistry(registry)
    await anyio.to_thread.run_sync(view.track_all)
    async with work("a"):
        assert await names(registry) == ["a"]
        view.track_no_more()
    async with work("b"):
        assert await names(registry) == []
    assert [record.name for record in await registry.get_history()] == ["a"]
    assert (await registry.get_statistics())["active_operations"] == 0


@each_view
async def test_a_duplicate_id_is_refused(view: View) -> None:
    """The id of an operation that has not ended cannot be registered again; afterwards it can."""
    registry, first, second = view(OperationRegistry()), work("first", operation_id="1"), work(operation_id="1")
    await registry.register(first)
    with pytest.raises(DuplicateOperation, match="the id '1' is taken: <Cancelable 'first' pending> has not ended; "):
        await registry.register(second)
    async with first, second:
        [record] = await registry.list_operations()
        assert record.name == "first"
    third = work("third", operation_id="1")
    await registry.register(third)
    async with third:
        pass
    assert [record.name for record in await registry.get_history()] == ["third", "first"]


async def test_a_duplicate_id_of_a_global_operation(
    registry: OperationRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    """A second one with the same id is logged and harmless; the first stays listed and is the one to be cancelled."""
    first = work("first", operation_id="1", register_globally=True)
    second = work("second", operation_id="1", register_globally=True)
    async with running(first):
        async with second:
            assert await names(registry) == ["first"]
            await second.report_progress("mine")
        assert second.is_completed
        [record] = await registry.list_operations()
        assert (record.name, record.progress) == ("first", None)
        await registry.cancel("1", wait=5)
        assert first.is_cancelled
    assert [record.name for record in await registry.get_history()] == ["first"]
    [logged] = caplog.records
    assert logged.exc_info
    assert isinstance(logged.exc_info[1], DuplicateOperation)


@each_view
async def test_what_has_ended_cannot_be_registered(view: View) -> None:
    """An operation that has ended is refused with a sentence that says what to do."""
    registry = view(OperationRegistry())
    async with work("old") as operation:
        pass
    with pytest.raises(ValueError, match="<Cancelable 'old' completed> has ended; register it before"):
        await registry.register(operation)


class LastMoment:
    """Has an operation registered in a thread, which is held up between looking at the operation and listing it."""

    def __init__(self, registry: OperationRegistry, operation: Cancelable, monkeypatch: pytest.MonkeyPatch) -> None:
        self._looked, self._moved = threading.Event(), threading.Event()
        add = registry.engine.tracker.add

        def slowly(operation: Cancelable) -> None:
            if threading.current_thread() is self._thread:
                self._looked.set()
                self._moved.wait()
            add(operation)

        monkeypatch.setattr(registry.engine.tracker, "add", slowly)
        self._thread = threading.Thread(target=ThreadSafeRegistry(registry).register, args=(operation,))

    async def begin(self) -> None:
        """Return when the operation was looked at."""
        self._thread.start()
        await anyio.to_thread.run_sync(self._looked.wait)

    async def end(self) -> None:
        """Return when the operation was registered."""
        self._moved.set()
        await anyio.to_thread.run_sync(self._thread.join)


async def test_registered_in_a_thread_while_it_is_entered(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operation that is entered on its loop while a thread registers it is listed as one that runs."""
    registry, operation = OperationRegistry(), work()
    thread = LastMoment(registry, operation, monkeypatch)
    await thread.begin()
    async with operation:
        await thread.end()
        [record] = await registry.list_operations()
        assert record.started is not None
        assert (await registry.get_statistics())["active_by_status"] == {"running": 1}
    assert (await registry.get_statistics())["total_completed"] == 1


async def test_registered_in_a_thread_while_it_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operation that is left on its loop while a thread registers it is in the history, and not in the list."""
    registry, operation = OperationRegistry(), work()
    thread = LastMoment(registry, operation, monkeypatch)
    async with operation:
        await thread.begin()
    await thread.end()
    assert await registry.list_operations() == []
    assert await registry.get_operation(operation.operation_id) is None
    assert [record.status for record in await registry.get_history()] == [RecordStatus.COMPLETED]
    assert (await registry.get_statistics())["total_completed"] == 1


async def test_an_operation_that_is_being_left() -> None:
    """An observer that looks while an operation ends finds it ended, with its end, and not among what runs."""
    registry = OperationRegistry()
    seen: list[object] = []

    class Looking(Observer):
        def operation_ended(self, operation: Cancelable) -> None:
            view = ThreadSafeRegistry(registry)
            record = view.get(operation.operation_id)
            assert record is not None
            seen.append((view.list_operations(), view.page().records, record.status, record.ended is not None))
            seen.append(view.cancel(operation.operation_id).state.value)

    operation = work(operation_id="1")
    operation._observers = (Looking(),)
    await registry.register(operation)
    async with operation:
        pass
    assert seen == [([], [], RecordStatus.COMPLETED, True), "ended"]
    assert len(await registry.get_history()) == 1


async def test_an_end_is_counted_once() -> None:
    """Of two threads that notice the same end one is heard."""
    registry, operation = OperationRegistry(), work(operation_id="1")
    await registry.register(operation)
    entry = registry.engine.tracker.entry("1")
    assert entry is not None
    first, second = entry.record("a"), entry.record("b")
    assert entry.end(first) is True
    assert entry.end(second) is False
    assert entry.final is first
