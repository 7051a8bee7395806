"""The feed of what happens in all processes."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

pytest.importorskip("redis", reason="the shared store needs the extra redis, which is not installed")

from hother.cancelable import CancelationReason
from hother.cancelable.registry import Event, EventKind, OperationFilter, RecordStatus

from .fake_process import FakeProcess
from .redis_server import namespace, redis_server, shared_server, until

pytestmark = pytest.mark.server


def test_a_whole_life() -> None:
    """Each step of an operation's life is told to other processes, with the operation as it was then."""
    with namespace() as here:
        one, other = FakeProcess(here.backend(metadata_keys=["job"])), here.backend()
        one.stubborn = True
        one.backend.get("x")
        position = other.position()
        one.start("x", metadata={"job": 7})
        one.backend.get("x")
        one.report("x", "half", 50)
        until(lambda: (record := other.get("x")) and record.progress)
        other.cancel("x", CancelationReason.MANUAL, "stop", None, None)
        until(lambda: (record := other.get("x")) and record.cancel and record.cancel.delivered)
        one.change("x", EventKind.STUCK, stuck="line 7")
        one.backend.get("x")
        one.end("x", RecordStatus.CANCELLED)
        one.backend.get("x")
        events = other.events(position, 0)
        assert [event.kind for event in events] == [
            EventKind.STARTED,
            EventKind.PROGRESS,
            EventKind.CANCEL_REQUESTED,
            EventKind.CANCEL_DELIVERED,
            EventKind.STUCK,
            EventKind.FINISHED,
        ]
        records = [event.record for event in events if event.record is not None]
        assert [record.status for record in records] == [RecordStatus.RUNNING] * 5 + [RecordStatus.CANCELLED]
        assert [record.cancel_message for record in records] == [None, None, "stop", "stop", "stop", "stop"]
        assert {event.worker for event in events} == {one.backend.worker}
        assert records[0].metadata == {"job": 7}
        assert records[-1].stuck == "line 7"
        assert all(abs(event.time - time.time()) < 30 for event in events)
        assert other.events(events[2].id, 0) == events[3:]
        assert other.events(events[-1].id, 0) == []


def test_short_lives() -> None:
    """An operation that has ended before it could be written is told as started and as finished."""
    with namespace() as here:
        one = FakeProcess(here.backend())
        one.backend.get("x")
        position = one.backend.position()
        with threading.RLock():
            one.operations["x"] = one_record = _record("x")
            one.end("x")
        one.backend.get("x")
        events = one.backend.events(position, 0)
        assert [event.kind for event in events] == [EventKind.STARTED, EventKind.FINISHED]
        assert events[0].record == one_record._replace(worker=one.backend.worker)


def _record(operation_id: str) -> Any:
    from hother.cancelable.registry import OperationRecord

    return OperationRecord(operation_id, None, RecordStatus.RUNNING, "", started=time.time())


def test_waiting() -> None:
    """A reader that waits is woken by an event, well before its time is up; without one it waits that long."""
    with namespace() as here:
        one, other = FakeProcess(here.backend()), here.backend()
        one.backend.get("x")
        position = other.position()
        start = time.monotonic()
        assert other.events(position, 0.7) == []
        assert 0.65 < time.monotonic() - start < 5
        found = list[Event]()
        reader = threading.Thread(target=lambda: found.extend(other.events(position, 20)))
        reader.start()
        one.start("x")
        reader.join(5)
        assert [event.kind for event in found] == [EventKind.STARTED]


def test_processes() -> None:
    """Processes that come and leave are told."""
    with namespace() as here:
        other = here.backend()
        one = FakeProcess(here.backend())
        one.backend.get("x")
        worker = one.backend.worker
        one.backend.close()
        events = other.events("0-0", 0)
        assert [(event.kind, event.worker, event.record) for event in events] == [
            (EventKind.WORKER_UP, worker, None),
            (EventKind.WORKER_LEFT, worker, None),
        ]


def test_missed() -> None:
    """A reader who stands where events are kept no longer is told so, once, and reads on from now."""
    with namespace() as here:
        one = FakeProcess(here.backend())
        one.start("x")
        one.backend.get("x")
        position = one.backend.position()
        one.start("y")
        one.backend.get("y")
        one.start("z")
        one.backend.get("z")
        shared_server().client().xtrim(here.key("events"), maxlen=1, approximate=False)
        events = one.backend.events(position, 0)
        assert [event.kind for event in events] == [EventKind.MISSED]
        assert one.backend.events(events[0].id, 0) == []


def test_is_bounded() -> None:
    """However much happens, the feed on the server stays bounded."""
    with namespace() as here:
        one = FakeProcess(here.backend(history_limit=100))
        for number in range(8_000):
            one.start(str(number))
            one.end(str(number))
        until(lambda: one.backend.statistics()["total_completed"] == 8_000, within=20)
        assert 8_000 < shared_server().client().xlen(here.key("events")) < 11_000


def test_server_that_has_forgotten() -> None:
    """When the server comes back empty, a reader is told that it has missed something."""
    with redis_server() as server, namespace(server) as here:
        one = FakeProcess(here.backend(lease=0.9))
        one.start("x")
        one.backend.get("x")
        position = one.backend.position()
        server.stop()
        server.start()
        until(lambda: one.backend.health()["available"])
        until(lambda: one.backend.count(OperationFilter()) == 1)
        assert [event.kind for event in one.backend.events(position, 0)] == [EventKind.MISSED]


def test_kinds_of_a_later_version() -> None:
    """What a later version tells, and this one does not know, is left out."""
    with namespace() as here:
        other = here.backend()
        client = shared_server().client()
        client.xadd(here.key("events"), {"kind": "invented", "time": "1", "worker": "w"})
        client.xadd(here.key("events"), {"kind": "worker_up", "time": "1", "worker": "w"})
        assert [event.kind for event in other.events("0-0", 0)] == [EventKind.WORKER_UP]
