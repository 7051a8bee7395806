"""The record of an operation."""

from __future__ import annotations

import copy
import json
import pickle
import threading
from datetime import UTC, datetime, timedelta

import anyio
import anyio.to_thread
import pytest
from anyio.lowlevel import checkpoint

from hother.cancelable import (
    Cancelable,
    CancelationError,
    CancelationReason,
    CancelationToken,
    ManualCancelation,
    OperationContext,
    OperationStatus,
)
from hother.cancelable.core.state import OperationState

FIELDS = {
    "id",
    "name",
    "status",
    "start_time",
    "end_time",
    "duration",
    "cancel_reason",
    "cancel_message",
    "cancel_origin",
    "cause",
    "error",
    "partial_result",
    "metadata",
    "parent_id",
}


async def test_record_is_one_object() -> None:
    """The context is the same object before, while and after the operation runs, and in its exception."""
    operation = Cancelable()
    context = operation.context
    with pytest.raises(ManualCancelation) as caught:
        async with operation:
            assert await operation.cancel()
            assert operation.context is context
            await anyio.sleep_forever()
    assert operation.context is context
    assert caught.value.context is context


async def test_record_follows_the_operation() -> None:
    """A record that somebody holds is kept up to date: pending, running, ended."""
    operation = Cancelable(name="work", operation_id="42")
    context, seen = operation.context, list[tuple[str, bool, bool]]()

    def look() -> None:
        seen.append((context.status.value, context.start_time is not None, context.end_time is not None))

    look()
    async with Cancelable(operation_id="41"), operation:
        look()
        assert context.parent_id == "41"
    look()
    assert seen == [("pending", False, False), ("running", True, False), ("completed", True, True)]
    assert (context.id, context.name) == ("42", "work")


async def test_ids_are_unique_and_kept() -> None:
    """An id is made when it is asked for, differs from all others, and stays; one that is given is taken."""
    operations = [Cancelable() for _ in range(100)]
    ids = [each.operation_id for each in operations]
    assert len(set(ids)) == 100
    assert ids == [each.context.id for each in operations]
    assert Cancelable(operation_id="mine").context.id == "mine"


@pytest.mark.virtual_time
async def test_duration_is_taken_from_the_loops_clock() -> None:
    """The duration is what has passed on the loop's clock, from entry to the end of the block."""
    operation = Cancelable()
    await anyio.sleep(5)
    async with operation:
        await anyio.sleep(90)
        assert operation.context.duration is None
    await anyio.sleep(5)
    context = operation.context
    assert context.duration == pytest.approx(timedelta(seconds=90), abs=timedelta(milliseconds=1))
    assert context.start_time is not None
    assert context.duration is not None
    assert context.end_time == context.start_time + context.duration


@pytest.mark.virtual_time
async def test_duration_of_a_cancelled_operation() -> None:
    """It includes the clean-up of a body that was interrupted."""
    operation = Cancelable.with_timeout(10, move_on=True)
    async with operation:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(3)
    assert operation.context.duration == pytest.approx(timedelta(seconds=13), abs=timedelta(milliseconds=1))


async def test_times_are_wall_clock_times_in_utc() -> None:
    """Start and end are aware times, for people and for other machines."""
    before = datetime.now(UTC)
    async with Cancelable() as operation:
        await checkpoint()
    context = operation.context
    assert context.start_time is not None
    assert context.end_time is not None
    assert context.start_time.tzinfo is UTC
    tolerance = timedelta(milliseconds=50)
    assert before - tolerance <= context.start_time <= context.end_time <= datetime.now(UTC) + tolerance


async def test_to_dict_of_a_pending_operation() -> None:
    """Before entry everything that is not known is None."""
    record = Cancelable(name="later", metadata={"user": 7}).context.to_dict()
    assert set(record) == FIELDS
    assert (record["name"], record["status"], record["metadata"]) == ("later", "pending", {"user": 7})
    rest = FIELDS - {"id", "name", "status", "metadata"}
    assert {record[each] for each in rest} == {None}


async def test_to_dict_is_json() -> None:
    """The record of an operation that a parent ended is plain values that survive JSON."""
    parent, child = Cancelable(operation_id="up"), Cancelable(name="down", metadata={"list": [1, 2]})

    async def work() -> None:
        async with parent, child:
            child.context.partial_result = [3]
            await parent.cancel("stop")
            await anyio.sleep_forever()

    with pytest.raises(ManualCancelation):
        await work()
    record = child.context.to_dict()
    assert json.loads(json.dumps(record)) == record
    assert set(record) == FIELDS
    assert (record["status"], record["cancel_reason"], record["cancel_message"]) == ("cancelled", "parent", "stop")
    assert (record["cause"], record["parent_id"], record["cancel_origin"]) == ("up", "up", "operation 'up'")
    assert (record["metadata"], record["partial_result"]) == ({"list": [1, 2]}, [3])
    assert datetime.fromisoformat(record["start_time"]) == child.context.start_time
    assert child.context.duration is not None
    assert record["duration"] == child.context.duration.total_seconds()
    assert type(record["status"]) is str
    assert type(record["cancel_reason"]) is str


async def test_to_dict_of_a_very_short_operation() -> None:
    """A duration of zero is a number, not None."""
    context = OperationContext("id", duration=timedelta(0))
    assert context.to_dict()["duration"] == 0.0


async def test_error_is_text() -> None:
    """The exception of the body is on record as type and text, so that the record keeps no frames alive."""
    with pytest.raises(KeyError):
        async with Cancelable() as operation:
            raise KeyError("which")
    assert operation.context.error == "KeyError: 'which'"
    assert json.dumps(operation.context.to_dict())


async def test_exception_that_broke_a_source_is_text_in_the_dictionary() -> None:
    """A cause that is an exception is shown by its repr."""
    context = OperationContext("id", cause=OSError("no such device"))
    assert context.to_dict()["cause"] == "OSError('no such device')"


async def test_metadata_belongs_to_the_user() -> None:
    """The dictionary that was given is the one on record, open for more; `to_dict` hands out a copy."""
    metadata = {"user": 7}
    async with Cancelable(metadata=metadata) as operation:
        operation.context.metadata["step"] = 1
    assert operation.context.metadata is metadata
    assert metadata == {"user": 7, "step": 1}
    operation.context.to_dict()["metadata"].clear()
    assert metadata == {"user": 7, "step": 1}
    assert Cancelable().context.metadata == {}


async def test_request_is_on_record_while_the_body_still_runs() -> None:
    """The record tells of a request as soon as it is asked for, before anything is interrupted."""
    async with Cancelable(move_on=True) as operation:
        assert operation.context.cancel_reason is None
        await operation.cancel(CancelationReason.SHUTDOWN, "going down")
        context = operation.context
        assert context.status is OperationStatus.RUNNING
        assert (context.cancel_reason, context.cancel_message) == (CancelationReason.SHUTDOWN, "going down")
        assert not context.is_cancelled
        await checkpoint()
    assert context.is_cancelled


async def test_record_outlives_the_operation() -> None:
    """The record needs neither the operation nor its loop, and can be copied and pickled."""
    token = CancelationToken()
    await token.cancel("stop")
    with pytest.raises(CancelationError) as caught:
        async with Cancelable.with_token(token, name="gone"):
            await anyio.sleep_forever()
    context = caught.value.context
    assert context is not None
    for again in (copy.copy(context), copy.deepcopy(context), pickle.loads(pickle.dumps(context))):
        assert again is not context
        assert again.to_dict() == context.to_dict()


async def test_record_that_is_made_in_a_thread_while_the_operation_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that a thread has begun to make before the end tells of the end."""
    made, ended = threading.Event(), threading.Event()
    make = OperationState._new_context

    def slowly(operation: OperationState) -> OperationContext:
        context = make(operation)
        made.set()
        ended.wait()
        return context

    monkeypatch.setattr(OperationState, "_new_context", slowly)
    contexts: list[OperationContext] = []
    operation = Cancelable()
    thread = threading.Thread(target=lambda: contexts.append(operation.context))
    async with operation:
        thread.start()
        await anyio.to_thread.run_sync(made.wait)
    ended.set()
    await anyio.to_thread.run_sync(thread.join)
    assert contexts == [operation.context]
    assert operation.context.status is OperationStatus.COMPLETED
    assert operation.context.end_time is not None
