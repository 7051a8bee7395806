"""A registry with a shared store: it answers for all processes, and for this one alone where the store is away."""

from __future__ import annotations

import anyio
import pytest

from hother.cancelable import CancelationReason
from hother.cancelable.registry import (
    BackendUnavailable,
    CancelState,
    OperationRegistry,
    RecordStatus,
    ThreadSafeRegistry,
)
from hother.cancelable.registry import View as Known

from . import shared
from .fake_backend import NUMBERS, THERE, FakeBackend
from .shared import done, each_view, listed, work


@each_view
async def test_everything_is_told(view: shared.View) -> None:
    """The store hears of each step of an operation, and of one that is followed no more."""
    backend = FakeBackend()
    origin = OperationRegistry(backend)
    operation, forgotten = work(operation_id="1"), work(operation_id="2")
    await view(origin).register(operation)
    async with operation:
        await operation.report_progress("half")
        await operation.cancel()
        await anyio.sleep_forever()
    await view(origin).register(forgotten)
    await view(origin).unregister("2")
    assert backend.told == [
        ("1", "started"),
        ("1", "started"),
        ("1", "progress"),
        ("1", "cancel_requested"),
        ("1", "cancel_delivered"),
        ("1", "cancelled"),
        ("2", "started"),
        ("2", "finished"),
    ]
    assert backend.local.find("2") is None


@each_view
async def test_listings_tell_of_all_processes(view: shared.View) -> None:
    """Lists, pages, trees, counts, one operation, history and numbers come from the store."""
    backend = FakeBackend()
    origin = OperationRegistry(backend)
    registry = view(origin)
    await listed(origin, work("near", operation_id="1"))
    assert [record.name for record in await registry.list_operations()] == ["far", "near"]
    assert [record.worker for record in await registry.list_operations(name_pattern="near")] == ["here"]
    page = await registry.page(1)
    assert ([record.name for record in page.records], page.view) == (["far"], Known.SHARED)
    page = await registry.page(1, page.cursor)
    assert ([record.name for record in page.records], page.cursor) == (["near"], None)
    assert [node.record.name for node in await registry.tree()] == ["far", "near"]
    assert await registry.count() == 2
    assert await registry.get("there") == THERE
    assert (await registry.get_history())[0].status is RecordStatus.COMPLETED
    assert await registry.get_statistics() == NUMBERS
    assert [worker.id for worker in await registry.workers()] == ["here"]
    assert await registry.health() == {"available": True}


async def test_a_list_of_many_pages() -> None:
    """A list has all that the store has, however small its pages are."""
    backend = FakeBackend()
    backend.page_size = 2
    registry = OperationRegistry(backend)
    await listed(registry, *(work(str(number)) for number in range(6)))
    assert [record.name for record in await registry.list_operations()] == ["far", *"012345"]


@each_view
async def test_cancelling_elsewhere(view: shared.View) -> None:
    """A request for another process goes to the store; one for this process does not."""
    backend = FakeBackend()
    origin = OperationRegistry(backend)
    registry, operation = view(origin), work(operation_id="1")
    await listed(origin, operation)
    result = await registry.cancel("there", CancelationReason.SHUTDOWN, "bye", wait=3)
    assert (result.state, result.record) == (CancelState.REQUESTED, THERE)
    assert backend.cancelled == [("there", CancelationReason.SHUTDOWN, "bye", "here", 3.0)]
    assert (await registry.cancel("nobody")).state is CancelState.NOT_FOUND
    asked = len(backend.asked)
    async with anyio.create_task_group() as group:
        await group.start(shared.run, operation)
        assert (await registry.cancel("1", wait=20)).state is CancelState.ENDED
    assert (await registry.cancel("1")).state is CancelState.ENDED
    assert len(backend.asked) == asked + 1


@each_view
async def test_cancelling_all_processes(view: shared.View) -> None:
    """Cancelling by filter reaches operations here and elsewhere."""
    backend = FakeBackend()
    origin = OperationRegistry(backend)
    operation = work()
    await listed(origin, operation)
    assert await view(origin).cancel_all(message="all") == 2
    assert operation.token.message == "all"
    assert [each[0] for each in backend.cancelled] == ["there"]


@each_view
async def test_the_store_is_away(view: shared.View) -> None:
    """Listings tell of this process alone, and say so; operations here can be cancelled."""
    backend = FakeBackend()
    origin = OperationRegistry(backend)
    registry, operation = view(origin), work("near", operation_id="1")
    await done(origin, "over")
    await listed(origin, operation)
    backend.away = True
    async with anyio.create_task_group() as group:
        await group.start(shared.run, operation)
        page = await registry.page()
        assert ([record.name for record in page.records], page.view) == (["near"], Known.LOCAL)
        assert [record.name for record in await registry.list_operations(status="running")] == ["near"]
        assert [node.record.name for node in await registry.tree()] == ["near"]
        assert await registry.count() == 1
        record = await registry.get("1")
        assert record is not None
        assert record.worker == "here"
        assert await registry.get("there") is None
        assert [record.name for record in await registry.get_history()] == ["over"]
        assert (await registry.get_statistics())["total_started"] == 2
        assert await registry.health() == {"available": False}
        assert (await registry.cancel("1", wait=20)).state is CancelState.ENDED
    assert await registry.cancel_all() == 0


@each_view
async def test_what_needs_the_store_says_so(view: shared.View) -> None:
    """A request for an operation that is not known here, and the list of workers, fail while the store is away."""
    backend = FakeBackend()
    registry = view(OperationRegistry(backend))
    backend.away = True
    with pytest.raises(BackendUnavailable, match="the fake store is away"):
        await registry.cancel("there")
    with pytest.raises(BackendUnavailable):
        await registry.cancel("there", wait=3)
    with pytest.raises(BackendUnavailable):
        await registry.cancel_operation("there")
    with pytest.raises(BackendUnavailable):
        await registry.workers()


@each_view
async def test_the_store_goes_away_between_two_pages(view: shared.View) -> None:
    """A list tells of one or the other, never of a mixture; pages that the store began cannot be gone on with here."""
    backend = FakeBackend()
    backend.page_size = 2
    origin = OperationRegistry(backend)
    registry = view(origin)
    await listed(origin, *(work(str(number)) for number in range(6)))
    page = await registry.page(2)
    backend.lost_after = 1
    assert [record.name for record in await registry.list_operations()] == list("012345")
    with pytest.raises(BackendUnavailable):
        await registry.page(2, page.cursor)


@each_view
async def test_the_store_comes_back_between_two_pages(view: shared.View) -> None:
    """Pages that were begun here are gone on with here."""
    backend = FakeBackend()
    origin = OperationRegistry(backend)
    registry = view(origin)
    await listed(origin, *(work(str(number)) for number in range(3)))
    backend.away = True
    page = await registry.page(2)
    backend.away = False
    rest = await registry.page(2, page.cursor)
    assert [record.name for record in page.records + rest.records] == list("012")
    assert rest.view is Known.LOCAL


def test_closing() -> None:
    """Closing either registry leaves the store."""
    backend = FakeBackend()
    registry = OperationRegistry(backend)
    anyio.run(registry.close)
    ThreadSafeRegistry(registry).close()
    assert backend.asked == ["close", "close"]
