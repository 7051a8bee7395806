"""What leaves blocks in whose tasks somebody calls `check()`."""

from __future__ import annotations

import asyncio

import anyio
import pytest
from anyio.lowlevel import checkpoint

from hother.cancelable import Cancelable, ManualCancelation


@pytest.mark.parametrize("children", [1, 3])
async def test_check_in_children_of_a_group(children: int) -> None:
    """However many children of a group notice by `check`, one exception leaves, in no group."""
    operation, told = Cancelable(), anyio.Event()

    async def child() -> None:
        with anyio.CancelScope(shield=True):
            await told.wait()
        operation.check()

    async def work() -> None:
        async with operation, anyio.create_task_group() as group:
            for _ in range(children):
                group.start_soon(child)
            await anyio.wait_all_tasks_blocked()
            await operation.cancel("stop")
            told.set()

    with pytest.raises(ManualCancelation, match="stop") as caught:
        await work()
    assert caught.value.context is operation.context
    assert caught.value.__context__ is None
    assert (operation.context.status, operation.context.cancel_reason) == ("cancelled", "manual")
    await checkpoint()


async def test_check_beside_a_real_error_in_a_group() -> None:
    """An error beside what `check` raised is not lost: the group leaves, and the operation has failed."""
    operation, told = Cancelable(), anyio.Event()

    async def checks() -> None:
        with anyio.CancelScope(shield=True):
            await told.wait()
        operation.check()

    async def fails() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            raise ValueError("real")

    async def work() -> None:
        async with operation, anyio.create_task_group() as group:
            group.start_soon(checks)
            group.start_soon(fails)
            await anyio.wait_all_tasks_blocked()
            await operation.cancel("stop")
            told.set()

    with pytest.raises(ExceptionGroup) as caught:
        await work()
    assert caught.value.subgroup(ValueError) is not None
    assert (operation.context.status, operation.context.cancel_reason) == ("failed", "manual")


async def test_check_of_a_child_operation_in_a_group() -> None:
    """A child's own operation that notices by `check` that its parent ends is ended by the parent."""
    parent, child = Cancelable(name="parent"), Cancelable(name="child")
    told = anyio.Event()

    async def run_child() -> None:
        async with child:
            with anyio.CancelScope(shield=True):
                await told.wait()
            child.check()

    async def work() -> None:
        async with parent, anyio.create_task_group() as group:
            group.start_soon(run_child)
            await anyio.wait_all_tasks_blocked()
            await parent.cancel("stop")
            told.set()

    with pytest.raises(ManualCancelation, match="stop") as caught:
        await work()
    assert caught.value.context is parent.context
    assert (child.context.status, child.context.cancel_reason) == ("cancelled", "parent")
    assert child.context.cause is parent.context
    assert parent.is_cancelled


@pytest.mark.loops("eager")
async def test_check_before_an_eager_task_has_waited() -> None:
    """An eager task that `check` ends in its first step delivers the exception to those who start to watch it later."""

    async def work() -> None:
        async with Cancelable(name="eager") as operation:
            await operation.cancel("at once")
            operation.check()

    async def in_a_group() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(work())

    with pytest.raises(ExceptionGroup) as caught:
        await in_a_group()
    assert caught.value.subgroup(ManualCancelation) is not None
    (gathered,) = await asyncio.gather(work(), return_exceptions=True)
    assert isinstance(gathered, ManualCancelation)
