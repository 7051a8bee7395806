"""Asking a shared store blocks neither the event loop nor the threads of others."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import anyio
import anyio.to_thread
import pytest

from hother.cancelable import CancelationReason
from hother.cancelable.registry import (
    BackendUnavailable,
    CancelResult,
    Event,
    OperationRecord,
    OperationRegistry,
    ThreadSafeRegistry,
    events,
)

from .fake_backend import FakeBackend
from .shared import listed, work


@pytest.fixture
def backend() -> Iterator[FakeBackend]:
    """A store that answers at the latest when the test is over."""
    backend = FakeBackend()
    yield backend
    backend.answering.set()


async def test_the_loop_goes_on_while_the_store_is_slow(backend: FakeBackend) -> None:
    """Tasks run while somebody waits for the store, and operations start and end without it."""
    registry, records = OperationRegistry(backend), list[OperationRecord]()
    backend.answering.clear()

    async def ask() -> None:
        records.extend(await registry.list_operations())

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        while not backend.asked:
            await anyio.sleep(0)
        operation = work("quick")
        await registry.register(operation)
        async with operation:
            await operation.report_progress("half")
        assert operation.is_completed
        assert records == []
        backend.answering.set()
    assert [record.name for record in records] == ["far"]
    assert threading.current_thread().name not in backend.threads


async def test_waiting_for_the_store_can_be_cancelled(backend: FakeBackend) -> None:
    """Who waits for the store can be cancelled, and leaves the thread to itself."""
    registry = OperationRegistry(backend)
    backend.answering.clear()
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(registry.get_statistics)
            group.start_soon(anext, registry.events())
            while len(backend.asked) < 2:
                await anyio.sleep(0)
            scope.cancel()
    assert scope.cancelled_caught


async def hold_a_thread(release: threading.Event) -> None:
    """Take a thread of the default limiter."""
    await anyio.to_thread.run_sync(release.wait)


async def test_busy_threads_do_not_hold_up_the_registry(backend: FakeBackend) -> None:
    """All threads of anyio's default limiter are busy: the registry lists, cancels, reads events and closes."""
    registry, release = OperationRegistry(backend), threading.Event()
    limiter = anyio.to_thread.current_default_thread_limiter()
    total, limiter.total_tokens = limiter.total_tokens, 1
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(hold_a_thread, release)
            while not limiter.borrowed_tokens:
                await anyio.sleep(0)
            with anyio.fail_after(20):
                assert len(await registry.list_operations()) == 1
                assert await registry.cancel_operation("there")
                assert (await anext(registry.events())).kind == "progress"
                await registry.close()
            release.set()
    finally:
        release.set()
        limiter.total_tokens = total


async def test_those_who_wait_long_do_not_hold_up_the_rest() -> None:
    """However many read events or wait for an end in another process, listing goes on."""
    waits = threading.Event()

    class Patient(FakeBackend):
        def events(self, after: str, timeout: float) -> list[Event]:
            waits.wait()
            return super().events(after, timeout)

        def cancel(
            self,
            operation_id: str,
            reason: CancelationReason,
            message: str | None,
            origin: str | None,
            wait: float | None,
        ) -> CancelResult:
            self.asked.append("waits")
            waits.wait()
            return super().cancel(operation_id, reason, message, origin, wait)

    patient = Patient()
    registry = OperationRegistry(patient)

    async def cancel() -> None:
        await registry.cancel("there", wait=30)

    try:
        async with anyio.create_task_group() as group:
            for _ in range(25):
                group.start_soon(anext, registry.events())
                group.start_soon(cancel)
            while patient.asked.count("waits") < 25:
                await anyio.sleep(0)
            with anyio.fail_after(20):
                assert len(await registry.list_operations()) == 1
            waits.set()
    finally:
        waits.set()


async def test_events_of_the_store() -> None:
    """A feed begins where the store stands, or after an event that is known."""
    registry = OperationRegistry(FakeBackend())
    feed = registry.events()
    assert [(await anext(feed)).id for _ in range(3)] == ["11", "12", "13"]
    assert (await anext(registry.events("41"))).id == "42"
    blocking = await anyio.to_thread.run_sync(ThreadSafeRegistry(registry).events)
    assert [next(blocking).id for _ in range(2)] == ["11", "12"]
    assert next(ThreadSafeRegistry(registry).events("41")).id == "42"


async def test_a_feed_survives_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """A feed waits for a store that is away; a thread that follows it is told."""
    monkeypatch.setattr(events, "PAUSE", 0.001)
    backend = FakeBackend()
    registry = OperationRegistry(backend)
    feed = registry.events()
    assert (await anext(feed)).id == "11"
    backend.away = True
    with pytest.raises(BackendUnavailable):
        ThreadSafeRegistry(registry).events()
    async with anyio.create_task_group() as group:

        async def come_back() -> None:
            asked = len(backend.asked)
            while len(backend.asked) < asked + 3:
                await anyio.sleep(0)
            backend.away = False

        group.start_soon(come_back)
        assert (await anext(feed)).id == "12"


async def test_how_late_loops_are() -> None:
    """The lag of the loops that run operations is known to the store, and none where nothing runs."""
    backend = FakeBackend()
    registry, operation = OperationRegistry(backend), work()
    assert backend.local.loop_lag() is None
    await listed(registry, operation)
    async with operation:
        first = backend.local.loop_lag()
        await anyio.wait_all_tasks_blocked()
        second = backend.local.loop_lag()
    assert first == 0.0
    assert second is not None
    assert 0 <= second < 20
    assert backend.local.loop_lag() is None
