"""Records as hashes of text."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("redis", reason="the shared store needs the extra redis, which is not installed")

from hother.cancelable import CancelationReason
from hother.cancelable.registry import CancelRequest, OperationRecord, Progress, RecordStatus, WorkerState
from hother.cancelable.registry.redis.rows import allowed, cut, event_of, fields_of, record_of, worker_of

FULL = OperationRecord(
    "id",
    "name",
    RecordStatus.CANCELLED,
    "host:1:0",
    "parent",
    1795322701.6918483,
    1795322702.123456,
    Progress("half", 50.5, 1795322701.9),
    CancelRequest(CancelationReason.TIMEOUT, "message", "origin", 1.5, 2.5),
    "ValueError: no",
    {"job": [1, {"a": None}]},
    "line 7",
)


def test_round_trip() -> None:
    """What is written of a record is read again, to the last digit of its times."""
    assert record_of("id", {**fields_of(FULL, ["job"]), "owner": "host:1:0"}) == FULL


def test_round_trip_of_little() -> None:
    """What is not known is not written, and is not known to the reader either."""
    record = OperationRecord("id", None, RecordStatus.PENDING, "w")
    assert fields_of(record, ["job"]) == {"status": "pending"}
    assert record_of("id", {"status": "pending", "owner": "w"}) == record


def test_texts_are_bounded() -> None:
    """Long names, messages, errors and stacks are cut; what was left out is marked."""
    long = "x" * 100_000
    request = CancelRequest(CancelationReason.MANUAL, long, long, None, None)
    record = FULL._replace(name=long, error=long, stuck=long, progress=Progress(long, None, 0), cancel=request)
    fields = fields_of(record, [])
    assert [len(fields[name]) for name in ("name", "origin", "message", "error", "stuck")] == [
        200,
        200,
        1_000,
        1_000,
        4_000,
    ]
    assert len(fields["progress"]) < 1_100
    assert fields["name"].endswith("x…")
    assert cut("x" * 200, 200) == "x" * 200


def test_metadata_of_the_allow_list() -> None:
    """Only the keys of the allow-list are written; what JSON does not know, as text."""
    metadata = {"job": {1}, "secret": "s", "rate": math.inf}
    assert allowed(metadata, ["job", "rate", "absent"]) == '{"job": "{1}", "rate": Infinity}'
    assert allowed(metadata, []) is None


def test_metadata_is_bounded() -> None:
    """A value that does not fit any more is left out, and those after it are not."""
    text = allowed({"a": 1, "b": "x" * 4_096, "c": 3}, ["a", "b", "c"])
    assert text == '{"a": 1, "c": 3}'


class _Unprintable:
    def __str__(self) -> str:
        raise RuntimeError


def test_metadata_that_cannot_be_printed() -> None:
    """A value that fails to be printed is left out, and so is one that contains itself."""
    loop: list[object] = []
    loop.append(loop)
    assert allowed({"a": _Unprintable(), "b": loop, "c": 3}, ["a", "b", "c"]) == '{"c": 3}'


def test_reason_of_a_later_version() -> None:
    """A reason that a later version has written is read as a manual one."""
    record = record_of("id", {"status": "running", "reason": "invented"})
    assert record.cancel_reason is CancelationReason.MANUAL


def test_event_without_operation() -> None:
    """An event may be about a process alone."""
    event = event_of("1-0", {"kind": "worker_up", "time": "1.5", "worker": "w"}, None)
    assert event is not None
    assert event[:] == ("1-0", "worker_up", 1.5, None, "w")


@pytest.mark.parametrize(
    ("deadline", "beat", "lag", "state"),
    [
        (115, 100, "", WorkerState.UP),
        (115, 90, "7", WorkerState.UP),
        (115, 100, "7.6", WorkerState.SUSPECT),
        (115, 87, "", WorkerState.SUSPECT),
        (99, 100, "", WorkerState.LOST),
        (0, 0, "9", WorkerState.LOST),
    ],
)
def test_worker_states(deadline: float, beat: float, lag: str, state: WorkerState) -> None:
    """A process is suspect when its heartbeat is overdue or its loop late by half a lease, and lost without a lease."""
    fields = {"lease": "15", "heartbeat": "5", "beat": str(beat), "lag": lag, "host": "h", "pid": "7"}
    worker = worker_of("h:7:0", deadline, 3, fields, now=100)
    assert (worker.state, worker.host, worker.pid, worker.operations) == (state, "h", 7, 3)
    assert worker.loop_lag == (float(lag) if lag else None)
