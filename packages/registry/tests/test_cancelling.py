"""Cancelling by id, and what is known afterwards."""

from __future__ import annotations

import anyio
import pytest

from hother.cancelable import Cancelable, CancelationReason, ManualCancelation
from hother.cancelable.registry import CancelState, OperationRegistry, RecordStatus

from . import shared
from .shared import done, each_view, listed, running, work


@each_view
async def test_the_first_request(view: shared.View) -> None:
    """The first request counts: it is said to be requested, and the operation ends for this reason."""
    origin = OperationRegistry()
    registry, operation = view(origin), work(operation_id="1")
    await listed(origin, operation)
    async with anyio.create_task_group() as group:
        await group.start(shared.run, operation)
        result = await registry.cancel("1", CancelationReason.SHUTDOWN, "bye")
        assert result.state is CancelState.REQUESTED
        assert result.record is not None
        assert (result.record.id, result.record.cancel_reason) == ("1", CancelationReason.SHUTDOWN)
    context = operation.context
    assert (context.cancel_reason, context.cancel_message) == (CancelationReason.SHUTDOWN, "bye")


@each_view
async def test_a_later_request(view: shared.View) -> None:
    """A later request changes nothing, and gets the reason of the first one; it may wait for the end all the same."""
    origin = OperationRegistry()
    registry, operation = view(origin), work(operation_id="1")
    await listed(origin, operation)
    async with anyio.create_task_group() as group:
        await group.start(shared.run, operation)
        operation.cancel_sync(CancelationReason.SIGNAL, "SIGTERM")
        assert await registry.cancel_operation("1", message="second") is False
        result = await registry.cancel("1", message="third", wait=10)
    assert result.state is CancelState.ENDED
    assert result.record is not None
    assert (result.record.cancel_reason, result.record.cancel_message) == (CancelationReason.SIGNAL, "SIGTERM")


@each_view
async def test_a_later_request_to_one_that_still_runs(view: shared.View) -> None:
    """As long as the operation runs, a later request is told that somebody had asked before."""
    origin = OperationRegistry()
    registry, operation = view(origin), work(operation_id="1")
    await listed(origin, operation)
    async with operation:
        with anyio.CancelScope(shield=True):
            assert await registry.cancel_operation("1", message="first") is True
            result = await registry.cancel("1", message="second")
            assert result.state is CancelState.ALREADY_REQUESTED
            assert result.record is not None
            assert (result.record.status, result.record.cancel_message) == (RecordStatus.RUNNING, "first")


@each_view
@pytest.mark.parametrize("how", ["completed", "cancelled", "failed"])
async def test_one_that_has_ended(view: shared.View, how: str) -> None:
    """A request for an operation that has ended changes nothing, and is told how it ended."""
    origin = OperationRegistry()
    registry, operation = view(origin), work(operation_id="1")
    await listed(origin, operation)
    try:
        async with operation:
            if how == "failed":
                raise KeyError("page")
            if how == "cancelled":
                await operation.cancel()
                await anyio.sleep_forever()
    except KeyError:
        pass
    result = await registry.cancel("1", wait=10)
    assert result.state is CancelState.ENDED
    assert result.record is not None
    assert result.record.status == how
    assert await registry.cancel_operation("1") is False


@each_view
async def test_one_that_is_not_known(view: shared.View) -> None:
    """An unknown id is said to be unknown, at once."""
    registry = view(OperationRegistry())
    assert await registry.cancel("1") == (CancelState.NOT_FOUND, None)
    assert await registry.cancel("1", wait=10) == (CancelState.NOT_FOUND, None)
    assert await registry.cancel_operation("1") is False


async def test_one_that_is_pending() -> None:
    """An operation that was not entered yet takes the request with it, and ends at its first checkpoint."""
    registry, operation = OperationRegistry(), work(operation_id="1")
    await listed(registry, operation)
    result = await registry.cancel("1", message="too late")
    assert result.state is CancelState.REQUESTED
    assert result.record is not None
    assert (result.record.status, result.record.cancel_message) == (RecordStatus.PENDING, "too late")
    async with operation:
        await anyio.sleep_forever()
    assert operation.context.cancel_message == "too late"


async def test_children_end_with_their_parent() -> None:
    """Cancelling an operation by id ends those below it, and the history says because of which."""
    registry = OperationRegistry()
    parent, beside = work("parent"), work("beside")
    children = [work(f"child {number}", parent=parent) for number in range(3)]
    await listed(registry, parent, beside, *children)
    async with running(parent, beside, *children):
        result = await registry.cancel(parent.operation_id, wait=10)
        assert result.state is CancelState.ENDED
        await anyio.wait_all_tasks_blocked()
        assert [record.name for record in await registry.list_operations()] == ["beside"]
        ended = await registry.get_history(name_pattern="child")
        assert {record.cancel_reason for record in ended} == {CancelationReason.PARENT}


async def test_the_exception_leaves_the_block() -> None:
    """An operation that is cancelled by id raises what any request raises."""
    registry, operation = OperationRegistry(), Cancelable(name="report")
    await listed(registry, operation)
    with pytest.raises(ManualCancelation, match="operation 'report' was cancelled \\(manual\\): not needed"):
        async with operation:
            await registry.cancel(operation.operation_id, message="not needed")
            await anyio.sleep_forever()


@each_view
async def test_all(view: shared.View) -> None:
    """Without filters every operation is told, and the number is what `count` has said before."""
    origin = OperationRegistry()
    registry, operations = view(origin), [work(str(number)) for number in range(5)]
    await listed(origin, *operations)
    async with running(*operations):
        assert await registry.count() == 5
        assert await registry.cancel_all(reason=CancelationReason.SHUTDOWN, message="bye") == 5
        await anyio.wait_all_tasks_blocked()
    assert {operation.context.cancel_message for operation in operations} == {"bye"}
    assert {operation.context.cancel_reason for operation in operations} == {CancelationReason.SHUTDOWN}


@each_view
async def test_all_by_filter(view: shared.View) -> None:
    """With filters those are told that match; who was told before is not counted, and not told again."""
    origin = OperationRegistry()
    registry, operations = view(origin), [work(name) for name in ("load-1", "load-2", "load-3", "mail")]
    await listed(origin, *operations)
    async with operations[0], operations[1], operations[2], operations[3], anyio.create_task_group() as group:
        with anyio.CancelScope(shield=True):
            operations[1].token.cancel_sync("before")
            assert await registry.count(status="running", name_pattern="load-*") == 3
            assert await registry.cancel_all("running", name_pattern="load-*", message="all loads") == 2
            assert await registry.cancel_all(parent_id="nobody") == 0
            assert await registry.cancel_all(status="pending") == 0
        messages = [operation.token.message for operation in operations]
        group.cancel_scope.cancel()
    assert messages == ["all loads", "before", "all loads", None]


@each_view
async def test_all_of_none(view: shared.View) -> None:
    """Where nothing runs nothing is told."""
    registry = OperationRegistry()
    await done(registry, "over")
    assert await view(registry).cancel_all() == 0
