"""What leaves the block of an operation that holds task groups."""

from __future__ import annotations

import asyncio

import anyio
import pytest
from anyio.lowlevel import checkpoint

from hother.cancelable import Cancelable, CancelationError, CancelationReason, ManualCancelation, OperationStatus


async def _sleep() -> None:
    await anyio.sleep_forever()


async def _fail_in_clean_up(error: Exception) -> None:
    try:
        await anyio.sleep_forever()
    finally:
        raise error


async def test_children_in_a_group_are_interrupted() -> None:
    """Cancelling an operation ends the tasks in a group of its body, and one exception leaves, in no group."""
    operation, ended = Cancelable(), list[int]()

    async def child(number: int) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append(number)

    async def work() -> None:
        async with operation, anyio.create_task_group() as group:
            for number in range(3):
                group.start_soon(child, number)
            await anyio.wait_all_tasks_blocked()
            await operation.cancel("all of you")

    with pytest.raises(ManualCancelation, match="all of you"):
        await work()
    assert sorted(ended) == [0, 1, 2]
    assert operation.is_cancelled


async def test_error_of_a_child_fails_the_operation() -> None:
    """The group that a failing child makes is not ours: it leaves as it is, and the operation has failed."""
    operation = Cancelable()

    async def work() -> None:
        async with operation, anyio.create_task_group() as group:
            group.start_soon(_sleep)
            raise ValueError("mine")

    with pytest.raises(ExceptionGroup) as caught:
        await work()
    assert [type(each) for each in caught.value.exceptions] == [ValueError]
    assert (operation.context.status, operation.context.cancel_reason) == ("failed", None)
    assert operation.context.error is not None
    assert operation.context.error.startswith("ExceptionGroup: ")


async def test_errors_beside_cancellations_leave_without_them() -> None:
    """Where children fail while the operation ends them their errors leave, and none of the cancellations does."""
    operation, errors = Cancelable(), [ValueError("first"), KeyError("second")]

    async def work() -> None:
        async with operation, anyio.create_task_group() as group:
            for error in errors:
                group.start_soon(_fail_in_clean_up, error)
            group.start_soon(_sleep)
            await anyio.wait_all_tasks_blocked()
            await operation.cancel("stop")
            await anyio.sleep_forever()

    with pytest.raises(ExceptionGroup) as caught:
        await work()
    assert set(caught.value.exceptions) == set(errors)
    assert (operation.context.status, operation.context.cancel_reason) == ("failed", "manual")
    await checkpoint()


@pytest.mark.parametrize("nested", [False, True])
async def test_group_of_cancellations_is_one_interruption(nested: bool) -> None:
    """A group that holds nothing but the backend's own cancellation leaves as the reason's exception."""
    operation, native = Cancelable(), anyio.get_cancelled_exc_class()

    async def work() -> None:
        async with operation:
            await operation.cancel("stop")
            try:
                await anyio.sleep_forever()
            except native as error:
                group = BaseExceptionGroup("inner", [error])
                raise (BaseExceptionGroup("outer", [group]) if nested else group) from None

    with pytest.raises(ManualCancelation, match="stop") as caught:
        await work()
    assert caught.value.__context__ is None
    assert operation.is_cancelled


@pytest.mark.parametrize("move_on", [False, True])
async def test_group_with_errors_and_a_cancellation_keeps_the_errors(move_on: bool) -> None:
    """Of a group that mixes errors with the backend's own cancellation the errors leave, message and all."""
    operation, native, error = Cancelable(move_on=move_on), anyio.get_cancelled_exc_class(), ValueError("real")

    async def work() -> None:
        async with operation:
            await operation.cancel("stop")
            try:
                await anyio.sleep_forever()
            except native as interruption:
                raise BaseExceptionGroup("mixed", [error, interruption]) from KeyError("why")

    with pytest.raises(ExceptionGroup, match="mixed") as caught:
        await work()
    assert caught.value.exceptions == (error,)
    assert isinstance(caught.value.__cause__, KeyError)
    assert (operation.context.status, operation.context.cancel_reason) == ("failed", "manual")
    assert operation.context.error is not None
    assert operation.context.error.startswith("ExceptionGroup: mixed")
    await checkpoint()


async def test_enclosing_operation_with_groups_between() -> None:
    """A cancelled operation ends operations in the tasks of its groups, each with this one as its cause."""
    parent, children = Cancelable(name="parent"), [Cancelable(), Cancelable()]

    async def child(operation: Cancelable) -> None:
        async with operation:
            await anyio.sleep_forever()

    async def work() -> None:
        async with parent, anyio.create_task_group() as group:
            for operation in children:
                group.start_soon(child, operation)
            await anyio.wait_all_tasks_blocked()
            await parent.cancel()

    with pytest.raises(ManualCancelation):
        await work()
    for operation in children:
        assert (operation.context.status, operation.context.cancel_reason) == ("cancelled", "parent")
        assert operation.context.cause is parent.context


async def test_failing_sibling_is_external() -> None:
    """An operation that a group ends because another child has failed was ended from outside."""
    operation = Cancelable()

    async def child() -> None:
        async with operation:
            await anyio.sleep_forever()

    async def work() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(child)
            await anyio.wait_all_tasks_blocked()
            raise ValueError("sibling")

    with pytest.raises(ExceptionGroup):
        await work()
    assert (operation.context.status, operation.context.cancel_reason) == ("cancelled", "external")


async def test_operation_in_a_child_raises_into_the_group() -> None:
    """An operation that ends alone in a child leaves a plain exception, which the group delivers as any error."""
    operation, sibling = Cancelable(), list[str]()

    async def child() -> None:
        async with operation:
            await operation.cancel("just me")
            await anyio.sleep_forever()

    async def other() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            sibling.append("ended")

    async def work() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(other)
            group.start_soon(child)

    with pytest.raises(ExceptionGroup) as caught:
        await work()
    (error,) = caught.value.exceptions
    assert isinstance(error, CancelationError)
    assert not isinstance(error, asyncio.CancelledError)
    assert error.message == "just me"
    assert sibling == ["ended"]


@pytest.mark.loops("asyncio", "eager", "uvloop")
async def test_native_task_group_in_the_block() -> None:
    """A task group of asyncio in the body ends with the operation, and its children's errors leave alone."""
    operations = [Cancelable(), Cancelable()]

    async def work(operation: Cancelable, *errors: Exception) -> None:
        async with operation, asyncio.TaskGroup() as group:
            group.create_task(_sleep())
            for error in errors:
                group.create_task(_fail_in_clean_up(error))
            await asyncio.sleep(0)
            await operation.cancel("stop")
            await asyncio.sleep(60)

    with pytest.raises(ManualCancelation):
        await work(operations[0])
    with pytest.raises(ExceptionGroup) as caught:
        await work(operations[1], ValueError("real"))
    assert [type(each) for each in caught.value.exceptions] == [ValueError]
    assert [each.context.status for each in operations] == [OperationStatus.CANCELLED, OperationStatus.FAILED]
    assert all(each.context.cancel_reason is CancelationReason.MANUAL for each in operations)
    await checkpoint()
