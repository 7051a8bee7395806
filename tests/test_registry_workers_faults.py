"""Four workers, one of which is killed or stopped, or does not hear of requests at once."""

from __future__ import annotations

import contextlib
import signal
import time
from collections import Counter

import pytest

from hother.cancelable.registry import Event, EventKind, OperationFilter, OperationRecord, RedisBackend

from .redis_service import redis_service, until
from .registry_app import BEAT, LEASE
from .registry_workers import Connection, Workers, registry_workers

pytestmark = [pytest.mark.server, pytest.mark.timeout(120)]


def ended(store: RedisBackend, name: str) -> list[OperationRecord]:
    """Return what has ended."""
    return store.history(OperationFilter(name_pattern=name), 500, None)


def lateness(workers: Workers, store: RedisBackend, name: str) -> list[float]:
    """Cancel 60 operations, none through its owner; return how long after its request each has ended."""
    owners = workers.spread(name, 15)
    for job, owner in owners.items():
        assert workers.other_than(owner).cancel(job, "no hurry")["state"] == "requested"
    until(lambda: len(ended(store, name)) == len(owners))
    times = list[float]()
    for record in ended(store, name):
        assert (record.status.value, record.cancel_message) == ("cancelled", "no hurry")
        assert record.ended is not None
        assert record.cancel is not None
        assert record.cancel.requested is not None
        times.append(record.ended - record.cancel.requested)
    return times


def test_heartbeat_alone() -> None:
    """Where no worker reads its inbox, all operations still end within a heartbeat and half a second."""
    with (
        redis_service() as redis,
        contextlib.closing(RedisBackend(redis.url)) as store,
        registry_workers(redis, inbox="off") as workers,
    ):
        for attempt in range(3):
            late = lateness(workers, store, f"late-{attempt}")
            assert max(late) > 0.1, "the inbox seems to be read"
            if max(late) <= BEAT + 0.5:
                return
        pytest.fail(f"the latest came after {max(late)} s")


def kill_one(workers: Workers, jobs: dict[str, Connection]) -> set[str]:
    """Kill a worker, and wait until its operations are lost; return which those are."""
    killed = next(iter(workers.connections.values()))
    mine = {job for job, owner in jobs.items() if owner is killed}
    workers.signal(killed, signal.SIGKILL)
    asking = next(iter(workers.connections.values()))
    until(lambda: {each["id"] for each in asking.listing("kill", "lost")} == mine)
    return mine


def check_others(workers: Workers, others: set[str]) -> None:
    """The operations of the other workers go on, and can be cancelled by the new one."""
    new, since = workers.meet()[-1], time.time()
    until(lambda: all(each["progress"]["time"] > since for each in new.listing("kill", "running")))
    assert {each["id"] for each in new.listing("kill", "running")} == others
    for job in others:
        assert new.cancel(job, "the end", wait=5)["state"] == "ended"


def read(store: RedisBackend, position: str) -> list[Event]:
    """Return all that has happened since."""
    found = list[Event]()
    while some := store.events(found[-1].id if found else position, 0.05):
        found += some
    return found


def test_worker_is_killed() -> None:
    """The operations of a killed worker are lost within lease and two beats, told once each; the others run on."""
    with (
        redis_service() as redis,
        contextlib.closing(RedisBackend(redis.url)) as store,
        registry_workers(redis) as workers,
    ):
        for _ in range(2):
            known = {worker.id for worker in store.workers()}
            jobs = workers.spread("kill", 15)
            position, start = store.position(), time.time()
            mine = kill_one(workers, jobs)
            check_others(workers, jobs.keys() - mine)
            assert len({worker.id for worker in store.workers()} - known) == 1
            events = read(store, position)
            lost = [event for event in events if event.kind is EventKind.LOST]
            assert Counter(event.record.id for event in lost if event.record) == dict.fromkeys(mine, 1)
            assert len([event for event in events if event.kind is EventKind.WORKER_LOST]) == 1
            late = max(event.time for event in lost) - start
            if late <= LEASE + 2 * BEAT:
                return
            until(lambda: store.count(OperationFilter(name_pattern="kill")) == 0, within=40)
        pytest.fail(f"the last was lost after {late} s")


def test_worker_stops() -> None:
    """Each operation of a worker that stops in good order has a final status within a second, not after its lease."""
    with (
        redis_service() as redis,
        contextlib.closing(RedisBackend(redis.url)) as store,
        registry_workers(redis, loop="uvloop") as workers,
    ):
        for name in ("stop-1", "stop-2"):
            jobs = workers.spread(name, 10)
            stopped = next(iter(workers.connections.values()))
            mine = {job for job, owner in jobs.items() if owner is stopped}
            workers.signal(stopped, signal.SIGTERM)
            took = until(lambda name=name: len(ended(store, name)) == 10)  # type: ignore[misc]
            assert {record.id for record in ended(store, name)} == mine
            assert {(each.status.value, each.cancel_message) for each in ended(store, name)} == {
                ("cancelled", "the worker stops")
            }
            assert store.count(OperationFilter(name_pattern=name)) == 30
            if took < 1:
                return
            workers.meet()
        pytest.fail(f"the last had ended after {took} s")
