"""Listing what runs in all processes, and what has ended."""

from __future__ import annotations

import time
from typing import Any

import pytest

pytest.importorskip("redis", reason="the shared store needs the extra redis, which is not installed")

from hother.cancelable import CancelationReason
from hother.cancelable.registry import (
    EventKind,
    FilterOptions,
    OperationFilter,
    OperationRecord,
    Progress,
    RecordStatus,
    View,
)

from .fake_process import FakeProcess
from .redis_server import namespace, shared_server, until

pytestmark = pytest.mark.server

ALL = OperationFilter()


def ids(records: list[OperationRecord]) -> list[str]:
    """Return the ids of records."""
    return [record.id for record in records]


def test_all_processes() -> None:
    """Each process lists the operations of all, oldest first, with owner, age and what is known of them."""
    with namespace() as here:
        one, two = FakeProcess(here.backend(metadata_keys=["job"])), FakeProcess(here.backend())
        now = time.time()
        one.start("a", started=now - 5, metadata={"job": 7, "password": "secret"}, parent_id="p")
        two.start("b", started=now - 3)
        two.backend.get("b")
        for each in (one, two):
            records, cursor, as_of, view = each.backend.page(ALL, 100, None)
            assert ids(records) == ["a", "b"]
            assert [record.worker for record in records] == [one.backend.worker, two.backend.worker]
            assert (cursor, view) == (None, View.SHARED)
            assert now <= as_of <= time.time()
            assert records[0] == one.operations["a"]._replace(worker=one.backend.worker, metadata={"job": 7})
            assert 5 <= records[0].age < 30


def test_ten_thousand() -> None:
    """With 10,000 operations a page of 100 comes in less than 100 ms, and the cursor visits each once."""
    with namespace() as here:
        one, other = FakeProcess(here.backend()), here.backend()
        now = time.time()
        for number in range(10_000):
            one.start(str(number), started=now - number // 50)  # fifty of them at the same time
        until(lambda: other.count(ALL) == 10_000, within=20)
        seen, cursor, times = list[str](), None, list[float]()
        while True:
            start = time.monotonic()
            page = other.page(ALL, 100, cursor)
            times.append(time.monotonic() - start)
            seen += ids(page.records)
            cursor = page.cursor
            if cursor is None:
                break
        assert len(seen) == 10_000
        assert set(seen) == {str(number) for number in range(10_000)}
        assert sorted(times)[50] < 0.1
        assert page.records[-1].started == now


def test_cursor_of_an_operation_that_has_ended() -> None:
    """A cursor stays good when the operation that it names has ended: none is left out or comes twice."""
    with namespace() as here:
        one = FakeProcess(here.backend())
        now = time.time()
        for name in "abcdef":
            one.start(name, started=now)
        page = one.backend.page(ALL, 3, None)
        assert ids(page.records) == ["a", "b", "c"]
        one.end("c")
        one.end("d")
        rest = one.backend.page(ALL, 3, page.cursor)
        assert ids(rest.records) == ["e", "f"]
        assert rest.cursor is None


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"status": "running"}, ["a", "b", "c"]),
        ({"status": ["pending", "lost"]}, ["d"]),
        ({"status": []}, []),
        ({"name_pattern": "load"}, ["a", "b"]),
        ({"name_pattern": "load*1"}, ["a"]),
        ({"name_pattern": "[ls]*"}, ["a", "c"]),
        ({"name_pattern": "%a"}, []),
        ({"parent_id": "a"}, ["b"]),
        ({"min_age": 50}, ["a", "b"]),
        ({"cancelling": True}, ["c"]),
        ({"cancelling": False}, ["a", "b", "d"]),
        ({"worker": "nobody"}, []),
        ({"name_pattern": "load", "min_age": 100}, ["a"]),
    ],
)
def test_filters(options: FilterOptions, expected: list[str]) -> None:
    """Pages and counts hold exactly what the filter is about."""
    with namespace() as here:
        one = FakeProcess(here.backend())
        one.stubborn = True
        now = time.time()
        one.start("a", name="load 1", started=now - 200)
        one.start("b", name="upload 2", started=now - 60, parent_id="a")
        one.start("c", name="save", started=now - 5)
        one.start("d", name=None, started=None, parent_id=None)
        one.change("d", EventKind.STARTED, status=RecordStatus.PENDING)
        one.cancel("c", CancelationReason.MANUAL, None, None)
        wanted = OperationFilter.of(options)
        assert ids(one.backend.page(wanted, 100, None).records) == expected
        assert one.backend.count(wanted) == len(expected)


def test_rare_matches() -> None:
    """A filter that few operations pass fills a page from all of them, however many must be read."""
    with namespace() as here:
        one = FakeProcess(here.backend())
        now = time.time()
        for number in range(5_000):
            one.start(f"{number:04}", name="rare" if number % 1_000 == 999 else "common", started=now + number)
        for pattern in ("rare", "ra?e"):
            wanted = OperationFilter.of({"name_pattern": pattern})
            until(lambda: one.backend.count(ALL) == 5_000, within=20)  # each question waits for the notes for a while
            first = one.backend.page(wanted, 3, None)
            assert ids(first.records) == ["0999", "1999", "2999"]
            assert ids(one.backend.page(wanted, 3, first.cursor).records) == ["3999", "4999"]
            assert one.backend.count(wanted) == 5


@pytest.mark.parametrize("cursor", ["", "x", "1", "1:", ":x", "1.5:x", "-1:x"])
def test_cursor_that_is_none(cursor: str) -> None:
    """A cursor that no page has returned is refused."""
    with namespace() as here, pytest.raises(ValueError, match="cursor must be one that a page has returned, not "):
        here.backend().page(ALL, 10, cursor)


def test_history() -> None:
    """What has ended is told latest first, with filters and from a point in time on."""
    with namespace() as here:
        one, other = FakeProcess(here.backend()), here.backend()
        for name in "abc":
            one.start(name)
        one.end("a")
        one.backend.get("a")
        between = time.time()
        one.end("b", RecordStatus.FAILED, error="ValueError: no")
        one.backend.get("b")
        one.end("c")
        one.backend.get("c")
        assert ids(other.history(ALL, 10, None)) == ["c", "b", "a"]
        assert ids(other.history(ALL, 2, None)) == ["c", "b"]
        assert ids(other.history(ALL, 10, between)) == ["c", "b"]
        failed = other.history(OperationFilter.of({"status": "failed"}), 10, None)
        assert ids(failed) == ["b"]
        assert failed[0].error == "ValueError: no"
        assert ids(other.page(ALL, 10, None).records) == []


def test_history_is_bounded() -> None:
    """The server keeps as many ended operations as was chosen, and nothing of the others."""
    with namespace() as here:
        one = FakeProcess(here.backend(history_limit=20))
        for number in range(300):
            one.start(str(number))
            one.end(str(number), RecordStatus.FAILED if number % 2 else RecordStatus.COMPLETED)
        assert len(one.backend.history(ALL, 1_000, None)) == 20
        client = shared_server().client()
        assert len(client.keys(here.key("op:*").replace("{", "\\{"))) == 20
        numbers = one.backend.statistics()
        assert (numbers["history_size"], numbers["total_completed"]) == (20, 300)
        assert numbers["history_by_status"] == {"completed": 10, "failed": 10}


def test_statistics() -> None:
    """The numbers of all processes are counted once for each operation."""
    with namespace() as here:
        one, two = FakeProcess(here.backend()), FakeProcess(here.backend())
        now = time.time()
        one.start("a", started=now - 10)
        one.start("b", started=now - 20)
        two.start("c")
        two.start("d", started=None)
        two.change("d", EventKind.STARTED, status=RecordStatus.PENDING)
        one.end("a")
        one.end("b", RecordStatus.FAILED)
        one.backend.get("a")
        numbers: Any = two.backend.statistics()
        assert numbers["active_operations"] == 2
        assert numbers["active_by_status"] == {"running": 1, "pending": 1}
        assert (numbers["total_started"], numbers["total_completed"]) == (4, 2)
        assert numbers["ended_by_status"] == {"completed": 1, "failed": 1}
        assert numbers["ended_by_reason"] == {}
        assert numbers["longest_duration_seconds"] == pytest.approx(20, abs=2)
        assert numbers["average_duration_seconds"] == pytest.approx(15, abs=2)


def test_progress() -> None:
    """Progress is seen elsewhere within two seconds, and written at most once a second for each operation."""
    with namespace() as here:
        one, other = FakeProcess(here.backend()), here.backend()
        one.start("x")
        one.backend.get("x")
        position = other.position()
        start = time.monotonic()
        for percent in range(101):
            one.report("x", "step", percent)
            if percent % 10 == 0:
                one.backend.get("x")
        latest = one.operations["x"].progress
        assert isinstance(latest, Progress)
        until(lambda: (record := other.get("x")) and record.progress == latest, within=2.5)
        took = time.monotonic() - start
        kinds = [event.kind for event in other.events(position, 0)]
        assert 1 <= kinds.count(EventKind.PROGRESS) <= took + 1


def test_followed_no_more() -> None:
    """What a registry follows no more leaves the listing without a trace after a heartbeat."""
    with namespace() as here:
        one = FakeProcess(here.backend(lease=0.9))
        one.start("x")
        assert one.backend.get("x") is not None
        one.forget("x")
        one.backend.changed("x", EventKind.STARTED)
        until(lambda: one.backend.get("x") is None, within=3)
        assert one.backend.history(ALL, 10, None) == []
        assert one.backend.count(ALL) == 0
