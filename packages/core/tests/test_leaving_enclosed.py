"""What leaves the block of an operation that something around it ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
import pytest
from anyio.lowlevel import checkpoint

from hother.cancelable import (
    Cancelable,
    CancelationError,
    CancelationReason,
    CancelationSource,
    ManualCancelation,
    OperationStatus,
    TimeoutCancelation,
)
from hother.cancelable.core import OperationOptions

Fire = Callable[[], Awaitable[object]]


async def _inside(operation: Cancelable, *fires: Fire) -> tuple[BaseException, BaseException]:
    """Interrupt the body of an operation; return what it saw, and what left the block."""
    seen: list[BaseException] = []
    try:
        async with operation:
            try:
                for fire in fires:
                    await fire()
                await anyio.sleep_forever()
            except BaseException as error:
                seen.append(error)
                raise
    except BaseException as error:
        return seen[0], error
    raise AssertionError("nothing left the block")


def _is_native(error: BaseException) -> bool:
    return isinstance(error, anyio.get_cancelled_exc_class()) and not isinstance(error, CancelationError)


class NeverSource(CancelationSource):
    """A source whose task waits in vain."""

    async def wait(self) -> str | None:
        await anyio.sleep_forever()
        return None


@pytest.mark.parametrize("own", [{}, {"timeout": 60.0}, {"move_on": True}, {"sources": [NeverSource()]}])
async def test_enclosing_operation(own: OperationOptions) -> None:
    """An enclosing operation's cancellation passes untouched, and the record names that operation as the cause."""
    parent, child = Cancelable(name="parent"), Cancelable(**own)

    async def work() -> None:
        async with parent:
            seen, left = await _inside(child, lambda: parent.cancel("all of it"))
            assert left is seen
            assert _is_native(left)
            raise left

    with pytest.raises(ManualCancelation, match="all of it") as caught:
        await work()
    assert caught.value.context is parent.context
    context = child.context
    assert (context.status, context.cancel_reason, context.cancel_message) == ("cancelled", "parent", "all of it")
    assert context.cancel_origin == "operation 'parent'"
    assert context.cause is parent.context
    assert child.is_cancelled
    assert not child.cancel_requested


@pytest.mark.virtual_time
async def test_enclosing_deadline() -> None:
    """An enclosing operation that times out is the parent that ended its child."""
    parent, child = Cancelable.with_timeout(1, name="slow"), Cancelable.with_timeout(2)

    async def work() -> None:
        async with parent, child:
            await anyio.sleep_forever()

    with pytest.raises(TimeoutCancelation) as caught:
        await work()
    assert caught.value.context is parent.context
    assert (child.context.cancel_reason, child.context.cancel_message) == ("parent", "not done within 1 s")
    assert child.context.cause is parent.context


async def test_nearest_cancelled_ancestor_that_was_told_is_the_cause() -> None:
    """Between a child and the ancestor that was told to stop, each operation has that ancestor as its cause."""
    top, middle, bottom = Cancelable(name="top"), Cancelable(name="middle"), Cancelable(name="bottom")

    async def work() -> None:
        async with top, middle, bottom:
            await top.cancel()
            await anyio.sleep_forever()

    with pytest.raises(ManualCancelation):
        await work()
    for operation in (middle, bottom):
        assert operation.context.cancel_reason is CancelationReason.PARENT
        assert operation.context.cause is top.context
        assert operation.context.cancel_message == "operation 'top' was cancelled"
    assert bottom.context.parent_id == middle.context.id


async def test_enclosing_anyio_scope() -> None:
    """An enclosing scope that is not ours gets its own cancellation back; the record says EXTERNAL."""
    operation = Cancelable()
    with anyio.CancelScope() as scope:

        async def cancel_scope() -> None:
            scope.cancel()

        seen, left = await _inside(operation, cancel_scope)
        assert left is seen
        assert _is_native(left)
        raise left
    assert scope.cancelled_caught
    context = operation.context
    assert (context.status, context.cancel_reason, context.cause) == ("cancelled", "external", None)
    assert not operation.cancel_requested
    await checkpoint()


async def test_scope_inside_the_block_is_the_bodys_own_affair() -> None:
    """A scope that is entered and cancelled inside the block ends nothing but its own stretch."""
    async with Cancelable() as operation:
        with anyio.move_on_after(0.001):
            await anyio.sleep_forever()
        await checkpoint()
    assert operation.is_completed
    assert operation.context.cancel_reason is None


async def test_scope_between_two_operations_is_external() -> None:
    """A scope between parent and child that is cancelled alone leaves the parent running and the child EXTERNAL."""
    async with Cancelable() as parent:
        with anyio.CancelScope() as scope:
            async with Cancelable() as child:
                scope.cancel()
                await anyio.sleep_forever()
        assert parent.is_running
        await checkpoint()
    assert parent.is_completed
    assert (child.context.status, child.context.cancel_reason) == ("cancelled", "external")


async def test_scope_behind_a_shield_is_external_though_a_parent_was_told() -> None:
    """What a shield keeps off is not blamed: the scope inside the shield was it, not the parent outside."""
    child = Cancelable()
    async with Cancelable(move_on=True) as parent:
        with anyio.CancelScope(shield=True), anyio.CancelScope() as scope:
            async with child:
                await parent.cancel()
                scope.cancel()
                await anyio.sleep_forever()
        await checkpoint()
    assert parent.is_cancelled
    assert (child.context.cancel_reason, child.context.cause) == (CancelationReason.EXTERNAL, None)


@pytest.mark.parametrize("own_first", [True, False])
async def test_own_request_and_enclosing_operation(own_first: bool) -> None:
    """Where both were told to stop the enclosing one wins; the own request stays on the operation's token."""
    parent, child = Cancelable(name="parent"), Cancelable(name="child")

    async def work() -> None:
        async with parent:
            fires: list[Fire] = [lambda: child.cancel("own"), lambda: parent.cancel("enclosing")]
            seen, left = await _inside(child, *(fires if own_first else fires[::-1]))
            assert left is seen
            assert _is_native(left)
            raise left

    with pytest.raises(ManualCancelation, match="enclosing"):
        await work()
    assert (child.context.status, child.context.cancel_reason) == ("cancelled", "parent")
    assert child.context.cause is parent.context
    assert (child.token.reason, child.token.message) == (CancelationReason.MANUAL, "own")
    assert child.cancel_requested


@pytest.mark.parametrize("own_first", [True, False])
async def test_own_request_and_enclosing_scope(own_first: bool) -> None:
    """Where an operation and a scope around it were both cancelled the scope wins; the request stays on the token."""
    operation = Cancelable()
    with anyio.CancelScope() as scope:

        async def cancel_scope() -> None:
            scope.cancel()

        fires: list[Fire] = [lambda: operation.cancel("own"), cancel_scope]
        seen, left = await _inside(operation, *(fires if own_first else fires[::-1]))
        assert left is seen
        raise left
    assert scope.cancelled_caught
    assert (operation.context.status, operation.context.cancel_reason) == ("cancelled", "external")
    assert operation.token.message == "own"
    await checkpoint()


async def test_enclosing_operation_that_is_told_during_the_clean_up_wins() -> None:
    """An enclosing operation also wins where it is told to stop while the inner one cleans up."""
    parent, child = Cancelable(name="parent"), Cancelable(name="child")

    async def work() -> None:
        async with parent, child:
            try:
                await child.cancel("own")
                await anyio.sleep_forever()
            finally:
                await parent.cancel("enclosing")

    with pytest.raises(ManualCancelation) as caught:
        await work()
    assert caught.value.context is parent.context
    assert child.context.cancel_reason is CancelationReason.PARENT
    assert child.token.message == "own"


async def test_failure_of_the_body_beats_everything_around() -> None:
    """A body that raises while an enclosing operation ends it has failed, and its exception leaves both blocks."""
    parent, child = Cancelable(), Cancelable()

    async def work() -> None:
        async with parent, child:
            try:
                await parent.cancel()
                await anyio.sleep_forever()
            finally:
                raise ValueError("cannot clean up")

    with pytest.raises(ValueError, match="cannot clean up"):
        await work()
    assert (child.context.status, child.context.cancel_reason) == ("failed", None)
    assert (parent.context.status, parent.context.cancel_reason) == ("failed", "manual")


async def test_operation_in_a_cancelled_scope_completes_without_a_checkpoint() -> None:
    """What surrounds an operation takes away no result either."""
    with anyio.CancelScope() as scope:
        scope.cancel()
        async with Cancelable() as operation:
            pass
        assert operation.context.status is OperationStatus.COMPLETED


async def test_enclosing_operation_beside_an_explicit_parent() -> None:
    """An operation that was given another parent still names the enclosing one that was cancelled as its cause."""
    async with (
        Cancelable(name="elsewhere") as parent,
        Cancelable(name="outer", move_on=True) as outer,
        Cancelable(parent=parent) as child,
    ):
        await outer.cancel("enough")
        await anyio.sleep_forever()
    assert (child.context.cancel_reason, child.context.cause) == (CancelationReason.PARENT, outer.context)
    assert child.parent is parent
