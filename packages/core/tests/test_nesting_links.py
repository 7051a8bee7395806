"""Children that their parent does not enclose: a link ends them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import anyio
import pytest
from anyio.lowlevel import checkpoint

from hother.cancelable import (
    Cancelable,
    CancelationError,
    CancelationReason,
    CancelationToken,
    OperationStatus,
    ParentCancelation,
)


class Child:
    """An operation that sleeps in a task of its own, and what left its block."""

    def __init__(self, operation: Cancelable | None = None) -> None:
        self.operation = operation or Cancelable(name="child")
        self.left: BaseException | None = None
        self.inside = Cancelable(name="grandchild")

    async def run(self) -> None:
        try:
            async with self.operation, self.inside:
                await anyio.sleep_forever()
        except CancelationError as error:
            self.left = error

    @property
    def ended_as(self) -> tuple[OperationStatus, CancelationReason | None]:
        return self.operation.context.status, self.operation.context.cancel_reason


BY_PARENT = (OperationStatus.CANCELLED, CancelationReason.PARENT)


async def test_child_in_a_group_outside_the_parent() -> None:
    """A child in a group that was opened outside its parent ends with it, and leaves with `ParentCancelation`."""
    child, parent = Child(), Cancelable(name="parent", move_on=True)
    async with anyio.create_task_group() as group, parent:
        group.start_soon(child.run)
        await anyio.wait_all_tasks_blocked()
        assert child.operation.parent is parent
        await parent.cancel("stop")
        await anyio.sleep_forever()
    assert isinstance(child.left, ParentCancelation)
    assert str(child.left) == "operation 'child' was cancelled (parent): stop"
    assert child.left.context is child.operation.context
    assert child.ended_as == BY_PARENT
    context = child.operation.context
    assert (context.cancel_message, context.cancel_origin) == ("stop", "operation 'parent'")
    assert context.cause is parent.context
    assert child.operation.cancel_requested


@pytest.mark.loops("asyncio", "eager", "uvloop")
async def test_child_in_a_task_of_its_own() -> None:
    """So does a child in a task that was made with `create_task`, and the one who awaits that task gets it."""
    child, parent = Cancelable(), Cancelable(name="parent", move_on=True)

    async def run() -> None:
        async with child:
            await asyncio.sleep(60)

    async with parent:
        task = asyncio.create_task(run())
        await anyio.wait_all_tasks_blocked()
        await parent.cancel()
        with anyio.CancelScope(shield=True), pytest.raises(ParentCancelation) as caught:
            await task
        await checkpoint()
    assert caught.value.message == "operation 'parent' was cancelled"
    assert not isinstance(caught.value, asyncio.CancelledError)
    assert task.cancelling() == 0
    assert child.context.cause is parent.context


async def test_grandchild_of_a_linked_child_has_the_first_cause() -> None:
    """What a linked child encloses ends by it, with the operation that was told to stop as its cause."""
    child, parent = Child(), Cancelable(name="parent", move_on=True)
    async with anyio.create_task_group() as group, parent:
        group.start_soon(child.run)
        await anyio.wait_all_tasks_blocked()
        await parent.cancel("stop")
    assert child.inside.context.cancel_reason is CancelationReason.PARENT
    assert child.inside.context.cancel_message == "stop"
    assert child.inside.context.cause is parent.context


async def test_linked_child_may_move_on() -> None:
    """`move_on` holds for a link as for any other source."""
    child, parent = Child(Cancelable(move_on=True)), Cancelable(move_on=True)
    async with anyio.create_task_group() as group, parent:
        group.start_soon(child.run)
        await anyio.wait_all_tasks_blocked()
        await parent.cancel()
    assert child.left is None
    assert child.ended_as == BY_PARENT


async def test_given_parent_in_another_task() -> None:
    """A parent that was given links operations anywhere, however they were started."""
    parent = Cancelable(move_on=True)
    child = Child(Cancelable(parent=parent))
    async with anyio.create_task_group() as group:
        group.start_soon(child.run)
        async with parent:
            await anyio.wait_all_tasks_blocked()
            await parent.cancel()
            await anyio.wait_all_tasks_blocked()
    assert isinstance(child.left, ParentCancelation)
    assert child.operation.context.parent_id == parent.operation_id


@pytest.mark.parametrize("entered", [False, True])
async def test_parent_that_is_cancelled_already(entered: bool) -> None:
    """A child that is entered under a parent that was told to stop ends at its first checkpoint."""
    parent = Cancelable(move_on=True)
    child = Child(Cancelable(parent=parent))
    await parent.cancel("too late")
    async with anyio.create_task_group() as group:
        if entered:
            async with parent:
                group.start_soon(child.run)
                with anyio.CancelScope(shield=True):
                    await anyio.wait_all_tasks_blocked()
        else:
            group.start_soon(child.run)
    assert isinstance(child.left, ParentCancelation)
    assert child.left.message == "too late"


@pytest.mark.virtual_time
async def test_parent_that_times_out() -> None:
    """A parent's deadline reaches linked children as its other requests do, at its time."""
    child, parent = Child(), Cancelable.with_timeout(2, name="parent", move_on=True)
    start = anyio.current_time()
    async with anyio.create_task_group() as group, parent:
        group.start_soon(child.run)
        await anyio.sleep_forever()
    assert anyio.current_time() - start == pytest.approx(2)
    assert child.ended_as == BY_PARENT
    assert child.operation.context.cancel_message == "not done within 2 s"
    assert child.operation.context.cause is parent.context


async def _by_token(token: CancelationToken, _: Cancelable) -> None:
    await token.cancel("above")


async def _by_itself(_: CancelationToken, top: Cancelable) -> None:
    await top.cancel("above")


@pytest.mark.parametrize("cancel", [_by_token, _by_itself])
async def test_ancestor_above_the_parent(cancel: Callable[[CancelationToken, Cancelable], Awaitable[None]]) -> None:
    """A cancelled grandparent that encloses neither reaches a linked child through the parent that it ends."""
    token = CancelationToken()
    child, top, parent = Child(), Cancelable.with_token(token, name="top", move_on=True), Cancelable(name="parent")
    async with anyio.create_task_group() as group:
        async with top, parent:
            group.start_soon(child.run)
            await anyio.wait_all_tasks_blocked()
            await cancel(token, top)
            await anyio.sleep_forever()
        await anyio.wait_all_tasks_blocked()
        still_running = child.operation.is_running
        group.cancel_scope.cancel()
    assert not still_running
    assert isinstance(child.left, ParentCancelation)
    assert child.left.message == "above"
    assert child.operation.context.cause is top.context


async def test_parent_that_is_ended_from_outside() -> None:
    """A parent that a scope around it ends takes its linked children along."""
    child, parent = Child(), Cancelable(name="parent")
    async with anyio.create_task_group() as group:
        with anyio.CancelScope() as scope:
            async with parent:
                group.start_soon(child.run)
                await anyio.wait_all_tasks_blocked()
                scope.cancel()
                await anyio.sleep_forever()
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    assert isinstance(child.left, ParentCancelation)
    assert child.operation.context.cause is parent.context


async def test_detached_child_is_not_linked() -> None:
    """A detached operation that its surroundings do not enclose outlives them."""
    child, parent = Child(Cancelable(detached=True)), Cancelable(move_on=True)
    async with anyio.create_task_group() as group:
        async with parent:
            group.start_soon(child.run)
            await anyio.wait_all_tasks_blocked()
            await parent.cancel()
            await checkpoint()
        await anyio.wait_all_tasks_blocked()
        assert child.operation.is_running
        await child.operation.cancel()
    assert child.operation.context.cancel_reason is CancelationReason.MANUAL


async def test_own_request_before_that_of_a_linked_parent() -> None:
    """A linked child that was told to stop first leaves for its own reason."""
    child, parent = Child(), Cancelable(move_on=True)
    async with anyio.create_task_group() as group, parent:
        group.start_soon(child.run)
        await anyio.wait_all_tasks_blocked()
        await child.operation.cancel("own")
        await parent.cancel("linked")
    assert isinstance(child.left, CancelationError)
    assert (child.left.reason, child.left.message) == (CancelationReason.MANUAL, "own")
