"""The registry of the process."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from hother.cancelable import Cancelable, Observer
from hother.cancelable.core import set_process_wide
from hother.cancelable.registry import OperationRegistry, ThreadSafeRegistry


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """The registry of the process, put back afterwards."""
    before = OperationRegistry.get_instance()
    yield
    before.install()


def test_there_is_one() -> None:
    """Everybody gets the same registry."""
    assert OperationRegistry.get_instance() is OperationRegistry.get_instance()
    assert OperationRegistry() is not OperationRegistry.get_instance()


def test_many_threads_ask_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that are the first to ask, all at once, get the same registry, however long making one takes."""
    monkeypatch.setattr(OperationRegistry, "_instances", {})
    threads, got = 8, list[OperationRegistry]()
    turn = threading.Barrier(threads)
    init = OperationRegistry.__init__

    def slowly(registry: OperationRegistry) -> None:
        turn.wait()
        init(registry)

    monkeypatch.setattr(OperationRegistry, "__init__", slowly)
    asking = [threading.Thread(target=lambda: got.append(OperationRegistry.get_instance())) for _ in range(threads)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert len(got) == threads
    assert len(set(got)) == 1
    assert OperationRegistry.get_instance() is got[0]


async def test_installing_another_one() -> None:
    """Operations that are made from then on are listed in the new one, those made before in the old one."""
    old, early = OperationRegistry.get_instance(), Cancelable(name="early", register_globally=True)
    new = OperationRegistry(history_limit=5)
    assert new.install() is new
    assert OperationRegistry.get_instance() is new
    async with early, Cancelable(name="late", register_globally=True):
        assert [record.name for record in await new.list_operations()] == ["late"]
        assert "early" in [record.name for record in await old.list_operations()]


async def test_the_view_for_threads() -> None:
    """The view is of the registry of the process, unless another one is given."""
    registry = OperationRegistry().install()
    async with Cancelable(name="job", register_globally=True) as operation:
        for view in (ThreadSafeRegistry(), ThreadSafeRegistry.get_instance(), ThreadSafeRegistry(registry)):
            assert view.get_operation(operation.operation_id) is operation
        assert ThreadSafeRegistry(OperationRegistry()).get_operation(operation.operation_id) is None


async def test_without_a_shared_store() -> None:
    """A registry of one process has no workers, is well, and can be closed."""
    registry = OperationRegistry()
    assert await registry.workers() == []
    assert (await registry.health())["available"] is True
    await registry.close()
    view = ThreadSafeRegistry(registry)
    assert (view.workers(), view.health()) == ([], await registry.health())
    view.close()


async def test_made_and_not_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """While another thread makes the registry, operations are listed in it before that thread has told of it."""
    monkeypatch.setattr("hother.cancelable.core.observer._process_wide", ())
    async with Cancelable(name="job", register_globally=True):
        assert [record.name for record in await OperationRegistry.get_instance().list_operations()] == ["job"]


async def test_installing_while_another_one_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry that is installed while another thread makes the first one stays the one of the process."""
    mine, told = OperationRegistry(), list[Observer]()

    def tell(observer: Observer) -> None:
        told.append(observer)
        if len(told) == 1:  # what another thread does just before this one tells
            mine.install()
        set_process_wide(observer)

    monkeypatch.setattr(OperationRegistry, "_instances", {})
    monkeypatch.setattr("hother.cancelable.registry.registry.set_process_wide", tell)
    assert OperationRegistry.get_instance() is mine
    async with Cancelable(name="job", register_globally=True):
        assert [record.name for record in await mine.list_operations()] == ["job"]
