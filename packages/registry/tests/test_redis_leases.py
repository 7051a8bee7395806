"""Processes come, go, and are lost: each incarnation with an id and a lease of its own."""

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
from .redis_server import Namespace, namespace, shared_server, until

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


def expire(here: Namespace, worker: str) -> None:
    """Let a lease run out now, as if its process had not been heard of."""
    shared_server().client().zadd(here.key("workers"), {worker: 1})


def test_killed() -> None:
    """The operations of a process that is gone are lost within the lease and two beats; told once, others run on."""
    with namespace() as here:
        others = [FakeProcess(here.backend(lease=LEASE)) for _ in range(3)]
        one = FakeProcess(here.backend(lease=LEASE))
        for number in range(5):
            one.start(f"lost {number}")
        others[0].start("other")
        for each in (one, *others):
            each.backend.get("x")  # it has joined now
        position = others[1].backend.position()
        lost_one, start = one.backend.worker, time.monotonic()
        one.vanish()
        wanted = OperationFilter.of({"status": "lost"})
        until(lambda: others[1].backend.count(wanted) == 5)
        assert time.monotonic() - start < LEASE + 2 * LEASE / 3 + 1
        until(lambda: EventKind.WORKER_LOST in kinds(others[1].backend, position))
        last = others[1].backend.position()
        until(lambda: others[1].backend.events(last, 0) == [])
        assert sorted(kinds(others[1].backend, position)) == [EventKind.LOST] * 5 + [EventKind.WORKER_LOST]
        assert status(others[2].backend, "other") is RecordStatus.RUNNING
        states = {worker.id: worker.state for worker in others[2].backend.workers()}
        assert states.pop(lost_one) is WorkerState.LOST
        assert set(states.values()) == {WorkerState.UP}
        numbers = others[0].backend.statistics()
        assert numbers["active_by_status"] == {"running": 1, "lost": 5}
        assert numbers["ended_by_status"] == {"lost": 5}


def test_lost_ones_stay_listed_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lost process and its operations leave the listing at last, and the operations stay in the history."""
    monkeypatch.setattr("hother.cancelable.registry.redis.writer.LISTED_LEASES", 1.5)
    with namespace() as here:
        one, two = FakeProcess(here.backend(lease=LEASE)), FakeProcess(here.backend(lease=LEASE))
        one.start("x")
        one.backend.get("x")
        one.vanish()
        until(lambda: status(two.backend, "x") is RecordStatus.LOST)
        assert [record.id for record in two.backend.page(ALL, 10, None).records] == ["x"]
        until(lambda: [worker.id for worker in two.backend.workers()] == [two.backend.worker])
        assert two.backend.page(ALL, 10, None).records == []
        assert [(record.id, record.status) for record in two.backend.history(ALL, 10, None)] == [("x", "lost")]


def test_come_back() -> None:
    """A process that was lost comes back under a new id; its operations run again, and are counted once."""
    with namespace() as here:
        one, two = FakeProcess(here.backend(lease=60)), FakeProcess(here.backend(lease=LEASE))
        one.start("x")
        one.backend.get("x")
        two.backend.get("x")
        position, old = two.backend.position(), one.backend.worker
        expire(here, old)
        until(lambda: status(two.backend, "x") is RecordStatus.LOST)
        one.backend.changed("x", EventKind.STARTED)  # it writes again, and learns that it was lost
        until(lambda: status(two.backend, "x") is RecordStatus.RUNNING)
        record = two.backend.get("x")
        assert record is not None
        assert record.worker == one.backend.worker != old
        told = [each for each in kinds(two.backend, position) if each is not EventKind.WORKER_UP]
        assert told == [EventKind.WORKER_LOST, EventKind.LOST, EventKind.STARTED]
        assert two.backend.history(ALL, 10, None) == []
        numbers = two.backend.statistics()
        assert (numbers["total_started"], numbers["total_completed"], numbers["history_size"]) == (1, 0, 0)
        assert two.backend.cancel("x", CancelationReason.MANUAL, None, None, 5).state is CancelState.ENDED


def test_end_after_the_lease() -> None:
    """An operation that ends while its process counts as lost is told to have ended, not lost, once it is back."""
    with namespace() as here:
        one, two = FakeProcess(here.backend(lease=60)), FakeProcess(here.backend(lease=LEASE))
        one.start("x")
        one.backend.get("x")
        expire(here, one.backend.worker)
        until(lambda: status(two.backend, "x") is RecordStatus.LOST)
        one.end("x")
        until(lambda: status(two.backend, "x") is RecordStatus.COMPLETED)
        numbers = two.backend.statistics()
        assert numbers["ended_by_status"] == {"completed": 1}
        assert numbers["history_by_status"] == {"completed": 1}
        assert numbers["active_operations"] == 0


def test_cancel_while_lost() -> None:
    """A request for a lost operation waits for the return of its process, and is applied then."""
    with namespace() as here:
        one, two = FakeProcess(here.backend(lease=60)), FakeProcess(here.backend(lease=LEASE))
        one.start("x")
        one.backend.get("x")
        expire(here, one.backend.worker)
        until(lambda: status(two.backend, "x") is RecordStatus.LOST)
        answer = two.backend.cancel("x", CancelationReason.SHUTDOWN, "late", None, None)
        assert answer.state is CancelState.REQUESTED
        assert answer.record is not None
        assert answer.record.status is RecordStatus.LOST
        assert one.told == []
        one.start("y")  # it writes again, and learns that it was lost
        until(lambda: status(two.backend, "x") is RecordStatus.CANCELLED)
        assert one.told == [("x", CancelationReason.SHUTDOWN, "late", None)]


def test_a_request_does_not_meet_a_later_operation() -> None:
    """A request for a lost operation does not end another process's operation that takes over the id."""
    with namespace() as here:
        one, two = FakeProcess(here.backend(lease=LEASE)), FakeProcess(here.backend(lease=LEASE))
        one.start("x")
        one.backend.get("x")
        one.vanish()
        until(lambda: status(two.backend, "x") is RecordStatus.LOST)
        two.backend.cancel("x", CancelationReason.MANUAL, None, None, None)
        two.start("x")
        record = two.backend.get("x")
        assert record is not None
        assert (record.status, record.worker, record.cancel) == (RecordStatus.RUNNING, two.backend.worker, None)
        assert two.told == []


def test_ids_that_are_taken() -> None:
    """An operation whose id another process holds is not listed, and neither its life nor its end harms that one."""
    with namespace() as here:
        one, two = FakeProcess(here.backend()), FakeProcess(here.backend())
        one.start("x", name="first")
        one.backend.get("x")
        two.start("x", name="second")
        two.backend.get("x")
        two.end("x")
        record = two.backend.get("x")
        assert record is not None
        assert (record.name, record.status, record.worker) == ("first", RecordStatus.RUNNING, one.backend.worker)


def test_writes_of_a_former_owner() -> None:
    """Once another process has an operation's id, the one that was lost changes nothing about it any more."""
    with namespace() as here:
        one, two = FakeProcess(here.backend(lease=60)), FakeProcess(here.backend(lease=LEASE))
        one.start("x", name="first")
        one.backend.get("x")
        expire(here, one.backend.worker)
        until(lambda: status(two.backend, "x") is RecordStatus.LOST)
        two.start("x", name="second")
        two.backend.get("x")
        one.end("x")
        one.backend.get("x")
        record = two.backend.get("x")
        assert record is not None
        assert (record.name, record.status) == ("second", RecordStatus.RUNNING)
