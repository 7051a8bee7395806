"""Nothing of an operation stays behind but its record, and of those only so many."""

from __future__ import annotations

import gc
import tracemalloc
import weakref

import anyio
import pytest
from anyio.lowlevel import checkpoint

from hother.cancelable import Cancelable
from hother.cancelable.registry import OperationRegistry, ThreadSafeRegistry, feed

from .shared import work


@pytest.mark.parametrize("how", ["completed", "cancelled", "failed", "unregistered", "cleared"])
async def test_an_operation_is_let_go(how: str) -> None:
    """However an operation leaves the registry, nothing there holds it."""
    registry = OperationRegistry()
    events = registry.events()
    reference = await one(registry, how)
    await checkpoint()  # the event loop lets go of callbacks that have run
    gc.collect()
    assert reference() is None
    assert (await anext(events)).kind == "started"


async def one(registry: OperationRegistry, how: str) -> weakref.ref[Cancelable]:
    """Run one operation."""
    operation = work(metadata={"pages": 3})
    await registry.register(operation)
    try:
        async with operation:
            if how == "cancelled":
                await registry.cancel(operation.operation_id)
                await anyio.sleep_forever()
            if how == "failed":
                raise KeyError
            if how == "unregistered":
                await registry.unregister(operation.operation_id)
            if how == "cleared":
                await registry.clear_all()
    except KeyError:
        pass
    return weakref.ref(operation)


@pytest.mark.loops("asyncio", "trio")
async def test_a_record_does_not_hold_its_operation() -> None:
    """Somebody who keeps a snapshot, or has waited for the end, keeps no operation alive."""
    registry = OperationRegistry()
    operation = work(operation_id="1")
    reference = weakref.ref(operation)
    await registry.register(operation)
    async with operation:
        [record] = await registry.list_operations()
    result = await registry.cancel("1", wait=5)
    del operation
    gc.collect()
    assert reference() is None
    assert (record.id, result.record and result.record.id) == ("1", "1")


@pytest.mark.loops("asyncio")
@pytest.mark.parametrize("read", [False, True])
async def test_memory_is_bounded(read: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """10,000 operations leave what 2,000 have left, with or without a reader of the feed."""
    monkeypatch.setattr(feed, "KEPT", 500)
    registry = OperationRegistry(history_limit=100)
    if read:
        registry.events()
    registry.track_all()
    try:
        await many(2_000)
        gc.collect()
        tracemalloc.start()
        await many(10_000)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
        registry.track_no_more()
    assert grown < (1_100 if read else 100) * 1_500  # what is new may have taken the place of what was there before
    assert len(await registry.get_history()) == 100


async def many(number: int) -> None:
    """Run operations one after the other."""
    for _ in range(number):
        async with work():
            pass


@pytest.mark.loops("asyncio")
async def test_without_history_nothing_is_kept() -> None:
    """With a limit of zero not even records are kept."""
    registry = OperationRegistry(history_limit=0)
    view = ThreadSafeRegistry(registry)
    operation = work(operation_id="1")
    await registry.register(operation)
    async with operation:
        [record] = view.list_operations()
    assert view.get("1") is None
    assert view.get_history() == []
    assert record.id == "1"
    assert registry.engine.tracker.entries() == []
