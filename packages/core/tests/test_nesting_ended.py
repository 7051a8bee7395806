"""Children that outlive their parent, and parents that outlive their children."""

from __future__ import annotations

import anyio
from anyio.lowlevel import checkpoint

from hother.cancelable import Cancelable, CancelationError, CancelationReason, ParentCancelation, current_operation


class Child:
    """An operation that sleeps in a task of its own, and what left its block."""

    def __init__(self) -> None:
        self.operation = Cancelable(name="child")
        self.left: BaseException | None = None

    async def run(self) -> None:
        try:
            async with self.operation:
                await anyio.sleep_forever()
        except CancelationError as error:
            self.left = error


async def test_ancestor_above_an_ended_parent() -> None:
    """A grandparent that still runs reaches a child whose parent has ended; that one has no say any more."""
    child, top, parent = Child(), Cancelable(name="top", move_on=True), Cancelable(name="parent")
    async with anyio.create_task_group() as group:
        async with top:
            async with parent:
                group.start_soon(child.run)
                await anyio.wait_all_tasks_blocked()
            await top.cancel("above")
            await anyio.sleep_forever()
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    assert isinstance(child.left, ParentCancelation)
    assert child.operation.context.cause is top.context


async def test_ended_parent_reaches_nobody() -> None:
    """Once a parent has ended, cancelling it does nothing to children that still run."""
    child, parent = Child(), Cancelable()
    async with anyio.create_task_group() as group:
        async with parent:
            group.start_soon(child.run)
            await anyio.wait_all_tasks_blocked()
        assert not await parent.cancel()
        assert not await parent.token.cancel()
        await anyio.wait_all_tasks_blocked()
        assert child.operation.is_running
        assert not child.operation.cancel_requested
        child.operation.check()
        await child.operation.cancel("own")
    assert isinstance(child.left, CancelationError)
    assert child.left.reason is CancelationReason.MANUAL


async def test_child_that_is_entered_after_its_parent_has_ended() -> None:
    """A task that outlives the operation it was started in is on its own, though the parent stays on record."""
    parent, child, start = Cancelable(), Child(), anyio.Event()

    async def wait_and_run() -> None:
        await start.wait()
        assert current_operation() is parent
        await child.run()

    async with anyio.create_task_group() as group:
        async with parent:
            group.start_soon(wait_and_run)
            await anyio.wait_all_tasks_blocked()
        await parent.cancel()
        start.set()
        await anyio.wait_all_tasks_blocked()
        assert child.operation.is_running
        assert child.operation.context.parent_id == parent.operation_id
        await child.operation.cancel()


async def test_parent_that_was_cancelled_and_has_ended_reaches_nobody() -> None:
    """The same where the parent has ended by cancelation."""
    parent = Cancelable(move_on=True)
    async with parent:
        await parent.cancel()
        await checkpoint()
    async with Cancelable(parent=parent) as child:
        child.check()
        await checkpoint()
    assert child.is_completed
    assert parent.is_cancelled


async def test_ended_child_leaves_no_link() -> None:
    """A child that has ended is not on its parent's token any more."""
    child, parent = Child(), Cancelable()
    async with anyio.create_task_group() as group, parent:
        before = len(parent.token._listeners)
        group.start_soon(child.run)
        await anyio.wait_all_tasks_blocked()
        assert len(parent.token._listeners) > before
        await child.operation.cancel()
        await anyio.wait_all_tasks_blocked()
        assert len(parent.token._listeners) == before
