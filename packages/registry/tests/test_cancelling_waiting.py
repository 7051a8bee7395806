"""Waiting for the end of what was cancelled, from everywhere, and never for ever."""

from __future__ import annotations

import threading
from collections.abc import Callable

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest

from hother.cancelable import Cancelable, CancelationReason
from hother.cancelable.registry import CancelResult, CancelState, OperationRegistry, RecordStatus, ThreadSafeRegistry

from . import shared
from .shared import each_view, listed, work


@each_view
async def test_waiting_tells_how_it_ended(view: shared.View) -> None:
    """Who waits gets the record of the end."""
    origin = OperationRegistry()
    registry, operation = view(origin), work(operation_id="1")
    await listed(origin, operation)
    async with anyio.create_task_group() as group:
        await group.start(shared.run, operation)
        result = await registry.cancel("1", wait=10)
    assert result.state is CancelState.ENDED
    assert result.record is not None
    assert (result.record.status, result.record.ended is not None) == (RecordStatus.CANCELLED, True)


@each_view
async def test_waiting_for_one_that_completes(view: shared.View) -> None:
    """Who waits for an operation that ends without being interrupted is told that it has completed."""
    origin = OperationRegistry()
    registry, operation = view(origin), work(operation_id="1")
    await listed(origin, operation)
    asked = anyio.Event()

    async def go_on() -> None:
        async with operation:
            with anyio.CancelScope(shield=True):
                await asked.wait()

    operation.token.on_cancel(lambda _: anyio.from_thread.run_sync(asked.set) if in_thread() else asked.set())
    here = threading.get_ident()

    def in_thread() -> bool:
        return threading.get_ident() != here

    async with anyio.create_task_group() as group:
        group.start_soon(go_on)
        await anyio.wait_all_tasks_blocked()
        result = await registry.cancel("1", wait=10)
    assert result.state is CancelState.ENDED
    assert result.record is not None
    assert (result.record.status, result.record.cancel_requested) == (RecordStatus.COMPLETED, True)


@pytest.mark.virtual_time
async def test_waiting_in_vain() -> None:
    """Who has waited long enough is told that the request stands, and that the operation still runs."""
    registry, operation = OperationRegistry(), work(operation_id="1")
    await listed(registry, operation)
    async with operation:
        with anyio.CancelScope(shield=True):
            began = anyio.current_time()
            result = await registry.cancel("1", wait=5)
            assert anyio.current_time() - began == pytest.approx(5)
            again = await registry.cancel("1", wait=5)
    assert (result.state, again.state) == (CancelState.REQUESTED, CancelState.ALREADY_REQUESTED)
    assert result.record is not None
    assert result.record.status is RecordStatus.RUNNING


async def test_waiting_in_vain_in_a_thread() -> None:
    """The same in a thread."""
    registry, operation = OperationRegistry(), work(operation_id="1")
    await listed(registry, operation)
    async with operation:
        with anyio.CancelScope(shield=True):
            result = await shared.blocking(registry).cancel("1", wait=0.01)
    assert result.state is CancelState.REQUESTED


@pytest.mark.virtual_time
async def test_waiting_leaves_nothing_behind() -> None:
    """Somebody who waits in vain again and again is forgotten each time, also when the waiting is cancelled."""
    registry, operation = OperationRegistry(), work(operation_id="1")
    await listed(registry, operation)
    entry = registry.engine.tracker.entry("1")
    async with operation:
        with anyio.CancelScope(shield=True):
            for _ in range(3):
                await registry.cancel("1", wait=1)
            with anyio.move_on_after(1):
                await registry.cancel("1", wait=60)
            assert entry is not None
            assert not entry.waiters


async def test_waiting_in_the_operations_own_body() -> None:
    """An operation that waits for its own end is interrupted right there."""
    registry, operation, after = OperationRegistry(), work(operation_id="1"), list[CancelResult]()
    await listed(registry, operation)
    async with operation:
        after.append(await registry.cancel("1", wait=60))
    assert after == []
    assert operation.is_cancelled


@pytest.mark.virtual_time
async def test_waiting_in_the_operations_own_shielded_body() -> None:
    """Where it is shielded it waits in vain, and no longer than it said."""
    registry, operation = OperationRegistry(), work(operation_id="1")
    await listed(registry, operation)
    async with operation, operation.shield():
        result = await registry.cancel("1", wait=60)
        assert result.state is CancelState.REQUESTED


async def test_blocking_the_loop_is_refused() -> None:
    """Waiting by blocking the event loop is refused before anybody is told; not waiting is fine."""
    registry, operation = OperationRegistry(), work(operation_id="1")
    view = ThreadSafeRegistry(registry)
    await listed(registry, operation)
    async with operation:
        with pytest.raises(RuntimeError, match=r"cancel\(wait=\.\.\.\) would block the running event loop; use "):
            view.cancel("1", wait=1)
        assert not operation.cancel_requested
        assert view.cancel("1").state is CancelState.REQUESTED


async def test_several_wait() -> None:
    """Everybody who waits is told, on the loop and in threads."""
    registry, operation = OperationRegistry(), work(operation_id="1")
    await listed(registry, operation)
    results: list[CancelResult] = []
    release = anyio.Event()

    async def end_late() -> None:
        async with operation:
            with anyio.CancelScope(shield=True):
                await release.wait()
            await anyio.sleep_forever()

    async def cancel(by: OperationRegistry) -> None:
        results.append(await by.cancel("1", wait=20))

    async with anyio.create_task_group() as group:
        group.start_soon(end_late)
        await anyio.wait_all_tasks_blocked()
        for _ in range(3):
            group.start_soon(cancel, registry)
            group.start_soon(cancel, shared.blocking(registry))
        await waiting(registry, 6)
        release.set()
    assert [result.state for result in results] == [CancelState.ENDED] * 6


async def waiting(registry: OperationRegistry, number: int) -> None:
    """Return when so many wait for the end of the first operation."""
    entry = registry.engine.tracker.entry("1")
    assert entry is not None
    while len(entry.waiters or ()) < number:
        await anyio.to_thread.run_sync(lambda: None)


async def test_the_end_comes_between_asking_and_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who begins to wait when the operation has just ended is told at once, also where no history is kept."""
    registry, operation = OperationRegistry(history_limit=0), work(operation_id="1")
    await listed(registry, operation)
    entry = registry.engine.tracker.entry("1")
    assert entry is not None
    looked, over = threading.Event(), threading.Event()
    when_ended = entry.when_ended

    def slowly(waiter: Callable[..., object]) -> Callable[[], None]:
        looked.set()
        over.wait()
        return when_ended(waiter)

    monkeypatch.setattr(entry, "when_ended", slowly)
    results: list[CancelResult] = []
    thread = threading.Thread(target=lambda: results.append(ThreadSafeRegistry(registry).cancel("1", wait=60)))
    async with operation:
        thread.start()
        await anyio.to_thread.run_sync(looked.wait, abandon_on_cancel=True)
        await anyio.sleep_forever()
    over.set()
    await anyio.to_thread.run_sync(thread.join)
    [result] = results
    assert result.state is CancelState.ENDED
    assert result.record is not None
    assert result.record.status is RecordStatus.CANCELLED


async def test_the_end_comes_while_the_request_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first request is said to be the first also where the operation has ended before that is said."""
    registry, operation = OperationRegistry(), work(operation_id="1")
    await listed(registry, operation)
    entry = registry.engine.tracker.entry("1")
    assert entry is not None
    over, record = threading.Event(), entry.record
    results: list[CancelResult] = []
    thread = threading.Thread(target=lambda: results.append(ThreadSafeRegistry(registry).cancel("1")))

    def slowly(worker: str, ended: float | None = None) -> object:
        if threading.current_thread() is thread:
            over.wait()
        return record(worker, ended)

    monkeypatch.setattr(entry, "record", slowly)
    async with operation:
        thread.start()
        await anyio.sleep_forever()
    over.set()
    await anyio.to_thread.run_sync(thread.join)
    [result] = results
    assert result.state is CancelState.REQUESTED
    assert result.record is not None
    assert result.record.has_ended


@each_view
async def test_ten_at_once(view: shared.View) -> None:
    """Of ten who cancel at once for different reasons one wins, callbacks run once, and all are told the same end."""
    origin = OperationRegistry()
    registry, called, results = view(origin), list[str](), list[CancelResult]()
    operation = work(operation_id="1").on_cancel(lambda context: called.append(str(context.cancel_message)))
    await listed(origin, operation)

    async def cancel(number: int) -> None:
        results.append(await registry.cancel("1", list(CancelationReason)[number % 5], str(number), wait=20))

    async with anyio.create_task_group() as group:
        await group.start(shared.run, operation)
        for number in range(10):
            group.start_soon(cancel, number)
    [winner] = called
    assert len(results) == 10
    assert {result.state for result in results} == {CancelState.ENDED}
    records = [result.record for result in results if result.record is not None]
    assert {(each.cancel_message, each.cancel_reason) for each in records} == {
        (winner, list(CancelationReason)[int(winner) % 5])
    }
    assert sum((await origin.get_statistics())["ended_by_reason"].values()) == 1


async def test_an_operation_on_another_loop() -> None:
    """Who waits on one loop is told of the end on another one."""
    registry = OperationRegistry()
    operation = Cancelable(operation_id="1", move_on=True)
    await registry.register(operation)
    entered = threading.Event()

    async def there() -> None:
        async with operation:
            entered.set()
            await anyio.sleep_forever()

    thread = threading.Thread(target=anyio.run, args=(there,), kwargs={"backend": "trio"})
    thread.start()
    await anyio.to_thread.run_sync(entered.wait)
    result = await registry.cancel("1", wait=20)
    assert result.state is CancelState.ENDED
    await anyio.to_thread.run_sync(thread.join)
