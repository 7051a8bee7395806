"""What a listing has, by filter; what is known of one operation; snapshots."""

from __future__ import annotations

import copy
import json
import pickle
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest

from hother.cancelable import Cancelable, CancelationReason, OperationStatus
from hother.cancelable.registry import OperationRecord, OperationRegistry, RecordStatus, View

from . import shared
from .shared import done, each_view, listed, running, work


async def found(registry: OperationRegistry, **filters: Any) -> str:
    """Return the names of what a listing has, after asking for the same in three ways."""
    records = await registry.list_operations(**filters)
    page = await registry.page(**filters)
    assert [record.id for record in page.records] == [record.id for record in records]
    assert await registry.count(**filters) == len(records)
    return " ".join(record.name or "-" for record in records)


@each_view
async def test_oldest_first(view: shared.View) -> None:
    """Operations are listed in the order in which they began."""
    origin = OperationRegistry()
    operations = [work(str(number)) for number in range(5)]
    await listed(origin, *operations)
    async with running(*operations):
        assert await found(view(origin)) == "0 1 2 3 4"


@each_view
@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"status": "running"}, "load-users load-items mail"),
        ({"status": RecordStatus.PENDING}, "later"),
        ({"status": OperationStatus.RUNNING}, "load-users load-items mail"),
        ({"status": ["pending", RecordStatus.RUNNING]}, "load-users load-items mail later"),
        ({"status": "completed"}, ""),
        ({"status": []}, ""),
        ({"name_pattern": "load"}, "load-users load-items"),
        ({"name_pattern": "LOAD"}, ""),
        ({"name_pattern": "load-*s"}, "load-users load-items"),
        ({"name_pattern": "oad*"}, ""),
        ({"name_pattern": "????"}, "mail"),
        ({"name_pattern": "[lm]a*"}, "mail later"),
        ({"parent_id": "users"}, "load-items"),
        ({"parent_id": "nobody"}, ""),
        ({"worker": "local"}, "load-users load-items mail later"),
        ({"worker": "elsewhere"}, ""),
        ({"min_age": 3600}, ""),
        ({"min_age": timedelta(hours=1)}, ""),
        ({"min_age": 1e-9, "status": "running"}, "load-users load-items mail"),
        ({"cancelling": True}, "mail"),
        ({"cancelling": False}, "load-users load-items later"),
        ({"cancelling": False, "status": "running", "name_pattern": "users"}, "load-users"),
        ({"parent_id": "users", "name_pattern": "mail"}, ""),
        ({"parent_id": "users", "name_pattern": "items", "worker": "local", "status": "running"}, "load-items"),
        ({"status": None, "name_pattern": None, "worker": None, "min_age": None}, "load-users load-items mail later"),
    ],
)
async def test_filters(view: shared.View, filters: dict[str, Any], expected: str) -> None:
    """An operation is listed, paged and counted if it matches all that is given."""
    origin = OperationRegistry()
    users, later = work("load-users", operation_id="users"), work("later")
    items, mail = work("load-items", parent=users), work("mail")
    await listed(origin, users, items, mail, later)
    async with users, items, mail:
        mail.token.cancel_sync()
        assert await found(view(origin), **filters) == expected


async def test_operations_without_a_name() -> None:
    """An operation that has no name matches a pattern that an empty name matches."""
    registry = OperationRegistry()
    await listed(registry, work())
    assert await found(registry, name_pattern="*") == "-"
    assert await found(registry, name_pattern="a") == ""


async def test_age(monkeypatch: pytest.MonkeyPatch) -> None:
    """The age counts from entry on, and stops at the end."""
    registry, operation = OperationRegistry(), work()
    await listed(registry, operation)
    async with operation:
        before = (await registry.list_operations())[0]
        assert 0 <= before.age < 30
        assert before.duration is None
        began = before.started or 0.0
        monkeypatch.setattr(time, "time", lambda: began + 60)
        assert before.age == pytest.approx(60, abs=1e-3)
        assert await found(registry, min_age=59) == "-"
        assert await found(registry, min_age=61) == ""
    record = await registry.get(operation.operation_id)
    monkeypatch.setattr(time, "time", lambda: began + 90)
    assert record is not None
    assert record.age == pytest.approx(60, abs=1e-3)
    assert record.duration == pytest.approx(timedelta(seconds=60), abs=timedelta(milliseconds=1))


@each_view
async def test_get_while_it_runs_and_after(view: shared.View) -> None:
    """One operation can be asked for while it runs and when it has ended, and another one is None."""
    origin = OperationRegistry()
    registry, operation = view(origin), Cancelable(name="job", operation_id="1", metadata={"pages": 3})
    await origin.register(operation)
    before = datetime.now(UTC)
    with pytest.raises(KeyError):
        async with operation:
            record = await registry.get("1")
            assert record is not None
            assert (record.status, record.metadata, record.has_ended) == (RecordStatus.RUNNING, {"pages": 3}, False)
            raise KeyError("page")
    after = await registry.get("1")
    assert after is not None
    assert (after.status, after.error, after.has_ended) == (RecordStatus.FAILED, "KeyError: 'page'", True)
    assert after.start_time is not None
    assert after.end_time is not None
    assert before - timedelta(seconds=1) <= after.start_time <= after.end_time <= datetime.now(UTC)
    assert await registry.get("2") is None


async def test_the_latest_of_two_with_the_same_id() -> None:
    """Where an id was used again, what is told is the later operation."""
    registry = OperationRegistry()
    for name in ("first", "second"):
        operation = work(name, operation_id="1")
        await registry.register(operation)
        async with operation:
            pass
    record = await registry.get("1")
    assert record is not None
    assert record.name == "second"


async def test_snapshots_stay_as_they_are() -> None:
    """A record does not follow its operation, nor does its metadata."""
    registry, metadata = OperationRegistry(), dict[str, Any](pages=3)
    operation = work(metadata=metadata)
    await registry.register(operation)
    async with operation:
        [before] = await registry.list_operations()
        copied = before.to_dict() | {"age": 0}
        metadata["pages"] = 4
        await operation.report_progress("half")
        await registry.cancel(operation.operation_id)
        assert before.to_dict() | {"age": 0} == copied
        [now] = await registry.list_operations()
    assert (now.metadata, now.progress is None, now.cancel_requested) == ({"pages": 4}, False, True)


async def test_snapshots_cannot_be_changed() -> None:
    """A record refuses every change, so that those who share it see the same."""
    registry = OperationRegistry()
    await listed(registry, work(metadata={"pages": 3}), work())
    for record in await registry.list_operations():
        with pytest.raises(AttributeError):
            record.name = "mine"  # type: ignore[misc]
        with pytest.raises(TypeError):
            record.metadata["pages"] = 4  # type: ignore[index]


async def test_snapshots_can_be_copied_and_sent() -> None:
    """A record can be pickled and copied, and turned into JSON."""
    registry = OperationRegistry()
    await listed(registry, work("a", metadata={"pages": 3}), work("b"))
    await registry.cancel_all(message="enough")
    for record in await registry.list_operations():
        assert copy.deepcopy(record) == record
        again = pickle.loads(pickle.dumps(record))
        assert again == record
        assert type(again) is OperationRecord
        values = json.loads(json.dumps(record.to_dict()))
        assert (values["name"], values["status"], values["age"]) == (record.name, "pending", 0.0)
        assert (values["cancel"]["reason"], values["cancel"]["message"]) == ("manual", "enough")


async def test_record_of_an_end() -> None:
    """The record tells why an operation has ended, who asked, and when."""
    registry, operation = OperationRegistry(), work()
    await listed(registry, operation)
    async with anyio.create_task_group() as group:
        await group.start(shared.run, operation)
        await registry.cancel(operation.operation_id, CancelationReason.SHUTDOWN, "bye", wait=5)
    [record] = await registry.get_history()
    assert (record.cancel_reason, record.cancel_message) == (CancelationReason.SHUTDOWN, "bye")
    assert record.cancel is not None
    assert record.cancel.origin
    assert record.started is not None
    assert record.ended is not None
    times = [record.started, record.cancel.requested or 0, record.cancel.delivered or 0, record.ended]
    assert times == sorted(times)


async def test_what_a_page_says_of_itself() -> None:
    """A page says when it was made, and that it knows of this process alone."""
    registry = OperationRegistry()
    await done(registry, "gone")
    before = time.time()
    page = await registry.page()
    assert (page.records, page.cursor, page.view) == ([], None, View.LOCAL)
    assert before <= page.as_of <= time.time()
