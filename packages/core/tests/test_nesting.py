"""Operations inside operations: who is whose parent, and what a parent passes on to those that it encloses."""

from __future__ import annotations

from contextlib import AsyncExitStack

import anyio
import pytest
from anyio.lowlevel import checkpoint

from hother.cancelable import (
    Cancelable,
    CancelationReason,
    CancelationToken,
    ManualCancelation,
    OperationStatus,
    current_operation,
)


async def _run(operation: Cancelable) -> None:
    async with operation:
        await anyio.sleep_forever()


async def test_innermost_operation_is_the_current_one() -> None:
    """`current_operation` gives the innermost operation, and what it gave before once that has ended."""
    assert current_operation() is None
    async with Cancelable() as outer:
        assert current_operation() is outer
        async with Cancelable() as inner:
            assert current_operation() is inner
        assert current_operation() is outer
        with pytest.raises(ValueError, match="mine"):
            async with Cancelable():
                raise ValueError("mine")
        assert current_operation() is outer
    assert current_operation() is None


async def test_operation_entered_inside_another_is_its_child() -> None:
    """The parent is the operation that is current at entry, not at construction."""
    inner = Cancelable()
    assert (inner.parent, inner.context.parent_id) == (None, None)
    async with Cancelable(operation_id="outer") as outer, inner:
        assert inner.parent is outer
        assert inner.context.parent_id == "outer"
    assert inner.context.parent_id == "outer"
    assert inner.context.to_dict()["parent_id"] == "outer"
    assert outer.context.parent_id is None


async def test_siblings_have_the_same_parent() -> None:
    """Operations that follow one another in a body are children of the same operation."""
    async with Cancelable() as outer:
        async with Cancelable() as first:
            pass
        async with Cancelable() as second:
            pass
    assert first.parent is second.parent is outer


async def test_tasks_in_a_group_inherit_the_operation() -> None:
    """Operations in tasks that are started inside an operation are its children."""
    children = [Cancelable(), Cancelable()]

    async def child(operation: Cancelable) -> None:
        assert current_operation() is parent
        async with operation:
            assert current_operation() is operation
            await checkpoint()

    async with Cancelable() as parent, anyio.create_task_group() as group:
        for operation in children:
            group.start_soon(child, operation)
    assert [each.parent for each in children] == [parent, parent]
    assert all(each.is_completed for each in children)


async def test_given_parent_goes_before_the_surroundings() -> None:
    """An explicit parent is the parent, known before entry, and what it encloses ends as its child."""
    top, middle = Cancelable(name="top"), Cancelable()
    bottom = Cancelable(parent=top)
    assert bottom.parent is top
    assert bottom.context.parent_id == top.operation_id

    async def work() -> None:
        async with top, middle, bottom:
            assert bottom.parent is top
            await top.cancel()
            await anyio.sleep_forever()

    with pytest.raises(ManualCancelation):
        await work()
    assert bottom.context.cancel_reason is CancelationReason.PARENT
    assert bottom.context.cause is top.context


async def test_detached_operation_has_no_parent() -> None:
    """A detached operation takes no parent, and is itself the parent of what is entered inside it."""
    async with Cancelable(), Cancelable(detached=True) as detached:
        assert detached.parent is None
        assert current_operation() is detached
        async with Cancelable() as inner:
            assert inner.parent is detached
    assert detached.context.parent_id is None


async def test_detached_operation_in_a_cancelled_scope_was_ended_from_outside() -> None:
    """What encloses a detached operation interrupts it all the same, but as a stranger."""
    outer, detached = Cancelable(), Cancelable(detached=True)

    async def work() -> None:
        async with outer, detached:
            await outer.cancel()
            await anyio.sleep_forever()

    with pytest.raises(ManualCancelation):
        await work()
    assert (detached.context.cancel_reason, detached.context.cause) == (CancelationReason.EXTERNAL, None)


async def test_cancelling_a_child_ends_no_parent_and_no_sibling() -> None:
    """A child that is cancelled ends alone; its parent and the operations beside it go on."""
    parent, told, sibling = Cancelable(), Cancelable(move_on=True), Cancelable(move_on=True)
    async with parent, anyio.create_task_group() as group:
        group.start_soon(_run, told)
        group.start_soon(_run, sibling)
        await anyio.wait_all_tasks_blocked()
        await told.cancel()
        await anyio.wait_all_tasks_blocked()
        assert told.is_cancelled
        assert sibling.is_running
        assert not parent.cancel_requested
        await sibling.cancel()
    assert parent.is_completed


async def test_operations_on_a_shared_token_end_alone_and_together() -> None:
    """Cancelling one operation leaves those beside it on the same token running; the token ends them all."""
    token = CancelationToken()
    operations = [Cancelable.with_token(token, move_on=True) for _ in range(3)]
    async with anyio.create_task_group() as group:
        for operation in operations:
            group.start_soon(_run, operation)
        await anyio.wait_all_tasks_blocked()
        await operations[0].cancel("just one")
        await anyio.wait_all_tasks_blocked()
        assert [each.is_running for each in operations] == [False, True, True]
        assert not token.is_cancelled
        await token.cancel("all")
    assert [each.context.cancel_message for each in operations] == ["just one", "all", "all"]


async def test_entering_twice_is_refused() -> None:
    """An operation runs once: entering it again, inside itself or afterwards, is an error that says so."""
    operation = Cancelable(name="once")
    async with operation:
        with pytest.raises(RuntimeError, match="'once' was entered before"):
            await operation.__aenter__()
        assert current_operation() is operation
    with pytest.raises(RuntimeError, match="an operation runs once"):
        await operation.__aenter__()
    assert operation.is_completed


async def test_parent_must_be_an_operation() -> None:
    """A parent that is no operation is refused at once, by name."""
    with pytest.raises(TypeError, match="parent must be a Cancelable, not 'top'"):
        Cancelable(parent="top")  # type: ignore[arg-type]


async def test_deep_nesting() -> None:
    """Two hundred operations inside one another are one chain, and all end with the outermost."""
    operations = [Cancelable(name=str(depth)) for depth in range(200)]

    async def work() -> None:
        async with AsyncExitStack() as stack:
            for operation in operations:
                await stack.enter_async_context(operation)
            await operations[0].cancel("all of you")
            await anyio.sleep_forever()

    with pytest.raises(ManualCancelation) as caught:
        await work()
    top = operations[0]
    assert caught.value.context is top.context
    assert [each.parent for each in operations] == [None, *operations[:-1]]
    for operation in operations[1:]:
        assert operation.context.status is OperationStatus.CANCELLED
        assert operation.context.cancel_reason is CancelationReason.PARENT
        assert operation.context.cause is top.context
    assert current_operation() is None


async def test_raw_shield_protects_a_child() -> None:
    """A shield of anyio between parent and child keeps the parent's cancellation away until it ends."""
    parent, child, steps = Cancelable(), Cancelable(), list[str]()

    async def work() -> None:
        async with parent:
            with anyio.CancelScope(shield=True):
                async with child:
                    await parent.cancel()
                    await checkpoint()
                    steps.append("protected")
            await checkpoint()
            steps.append("not reached")

    with pytest.raises(ManualCancelation):
        await work()
    assert steps == ["protected"]
    assert (child.context.status, child.context.cancel_reason) == ("completed", None)


async def test_raw_shield_protects_children_in_a_group() -> None:
    """The same for children in the tasks of a group that was opened inside such a shield."""
    parent, child, go_on = Cancelable(), Cancelable(), anyio.Event()

    async def run_child() -> None:
        async with child:
            await go_on.wait()

    async def work() -> None:
        async with parent:
            with anyio.CancelScope(shield=True):
                async with anyio.create_task_group() as group:
                    group.start_soon(run_child)
                    await anyio.wait_all_tasks_blocked()
                    await parent.cancel()
                    await anyio.wait_all_tasks_blocked()
                    assert child.is_running
                    assert not child.cancel_requested
                    go_on.set()
            await checkpoint()

    with pytest.raises(ManualCancelation):
        await work()
    assert child.is_completed
