"""The processes that take part: how they are listed, how they stand, and how they leave."""

from __future__ import annotations

import time

import pytest

pytest.importorskip("redis", reason="the shared store needs the extra redis, which is not installed")

from hother.cancelable import CancelationReason
from hother.cancelable.registry import (
    CancelState,
    EventKind,
    OperationFilter,
    RecordStatus,
    RedisBackend,
    WorkerState,
)

from .fake_process import FakeProcess
from .redis_server import namespace, shared_server, until

pytestmark = pytest.mark.server

ALL = OperationFilter()
LEASE = 0.9


def status(backend: RedisBackend, operation_id: str) -> RecordStatus | None:
    """Return how an operation stands."""
    record = backend.get(operation_id)
    return None if record is None else record.status


def kinds(backend: RedisBackend, position: str) -> list[EventKind]:
    """Return what has happened since."""
    return [event.kind for event in backend.events(position, 0)]


def test_rows() -> None:
    """Each process that takes part is listed with its host, pid, age and how many operations run in it."""
    with namespace() as here:
        before = time.time()
        one = FakeProcess(here.backend())
        one.start("x")
        one.backend.get("x")  # it has joined now
        two = FakeProcess(here.backend())
        until(lambda: len(two.backend.workers()) == 2)
        first, second = two.backend.workers()
        assert (first.id, second.id) == (one.backend.worker, two.backend.worker)
        assert first.id == f"{first.host}:{first.pid}:{first.id[-8:]}"
        assert (first.state, first.version, first.operations, first.loop_lag) == (WorkerState.UP, "0.1.0", 1, None)
        assert before - 0.1 <= first.started <= first.heartbeat <= time.time() + 0.1
        assert second.operations == 0


def test_one_who_only_asks() -> None:
    """A backend that serves no registry can be asked everything, and is no process that takes part."""
    with namespace() as here:
        one, asking = FakeProcess(here.backend()), here.backend()
        one.start("x")
        one.backend.get("x")
        assert [worker.id for worker in asking.workers()] == [one.backend.worker]
        assert asking.cancel("x", CancelationReason.MANUAL, None, None, 5).state is CancelState.ENDED
        assert asking.health()["available"] is False


def test_leaving() -> None:
    """A process that leaves is gone from the list at once, and what it leaves behind is lost within a second."""
    with namespace() as here:
        one, two = FakeProcess(here.backend(lease=60)), FakeProcess(here.backend(lease=60))
        for number in range(3):
            one.start(str(number))
        one.end("0")
        two.backend.get("x")  # it has joined now
        position, start = two.backend.position(), time.monotonic()
        one.backend.close()
        stands = [status(two.backend, str(number)) for number in range(3)]
        assert time.monotonic() - start < 1
        assert stands == [RecordStatus.COMPLETED, RecordStatus.LOST, RecordStatus.LOST]
        assert [worker.id for worker in two.backend.workers()] == [two.backend.worker]
        assert two.backend.page(ALL, 10, None).records == []
        assert kinds(two.backend, position)[-3:] == [EventKind.LOST, EventKind.LOST, EventKind.WORKER_LEFT]
        keys = shared_server().client().keys(here.key("*").replace("{", "\\{"))
        assert [key for key in keys if one.backend.worker in key] == []


def test_nothing_is_written_after_leaving() -> None:
    """A backend that was closed takes no more notes to the store, and may be closed again."""
    with namespace() as here:
        one, two = FakeProcess(here.backend()), here.backend()
        one.backend.close()
        one.start("x")
        one.backend.close()
        assert two.get("x") is None
        assert one.backend.count(ALL) == 0


def test_blocked_event_loop() -> None:
    """A process whose event loop lags by more than half a lease is suspect, though its thread is heard of."""
    with namespace() as here:
        one, two = FakeProcess(here.backend(lease=LEASE)), here.backend()
        until(lambda: two.workers())
        one.lag = LEASE
        until(lambda: two.workers()[0].state is WorkerState.SUSPECT)
        assert two.workers()[0].loop_lag == LEASE
        one.lag = 0.001
        until(lambda: two.workers()[0].state is WorkerState.UP)


def test_overdue() -> None:
    """A process whose heartbeat is overdue by half a lease is suspect, before it is lost."""
    with namespace() as here:
        one, two = FakeProcess(here.backend(lease=2)), here.backend()
        until(lambda: two.workers())
        one.vanish()
        seen = list[WorkerState]()

        def is_lost() -> bool:
            state = two.workers()[0].state
            if state not in seen:
                seen.append(state)
            return state is WorkerState.LOST

        until(is_lost)
        assert seen == [WorkerState.UP, WorkerState.SUSPECT, WorkerState.LOST]
