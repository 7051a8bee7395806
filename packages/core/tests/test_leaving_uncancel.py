"""After an operation asyncio's `task.cancelling()` counts what it counted before."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from hother.cancelable import Cancelable, CancelationError, CancelationSource, OperationStatus

pytestmark = pytest.mark.loops("asyncio", "eager", "uvloop")


def _this_task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None
    return task


class NeverSource(CancelationSource):
    """A source whose task waits in vain."""

    async def wait(self) -> str | None:
        await anyio.sleep_forever()
        return None


async def _completes() -> None:
    async with Cancelable():
        await asyncio.sleep(0)


async def _own() -> None:
    async with Cancelable() as operation:
        await operation.cancel()
        await asyncio.sleep(60)


async def _own_deadline() -> None:
    async with Cancelable.with_timeout(0.001):
        await asyncio.sleep(60)


async def _own_beside_a_source() -> None:
    async with Cancelable.with_source(NeverSource()) as operation:
        await operation.cancel()
        await asyncio.sleep(60)


async def _completes_beside_a_source() -> None:
    async with Cancelable.with_source(NeverSource()):
        await asyncio.sleep(0)


async def _own_moving_on() -> None:
    async with Cancelable(move_on=True) as operation:
        await operation.cancel()
        await asyncio.sleep(60)


async def _own_checked() -> None:
    async with Cancelable() as operation:
        await operation.cancel()
        operation.check()


async def _own_swallowed() -> None:
    async with Cancelable() as operation:
        await operation.cancel()
        for _ in range(3):
            with pytest.raises(asyncio.CancelledError):
                await asyncio.sleep(60)


async def _own_with_failing_clean_up() -> None:
    async with Cancelable() as operation:
        await operation.cancel()
        try:
            await asyncio.sleep(60)
        finally:
            raise ValueError("cannot clean up")


async def _own_in_a_group() -> None:
    async with Cancelable() as operation, anyio.create_task_group() as group:
        group.start_soon(anyio.sleep_forever)
        await operation.cancel()
        await asyncio.sleep(60)


async def _own_in_a_native_group() -> None:
    async with Cancelable() as operation, asyncio.TaskGroup() as group:
        group.create_task(asyncio.sleep(60))
        await asyncio.sleep(0)
        await operation.cancel()
        await asyncio.sleep(60)


async def _own_in_a_native_timeout() -> None:
    async with asyncio.timeout(60), Cancelable() as operation:
        await operation.cancel()
        await asyncio.sleep(60)


async def _native_timeout_inside() -> None:
    async with Cancelable(), asyncio.timeout(0):
        await asyncio.sleep(60)


async def _native_timeout_around() -> None:
    async with asyncio.timeout(0), Cancelable():
        await asyncio.sleep(60)


async def _native_timeout_around_and_own() -> None:
    async with asyncio.timeout(0), Cancelable() as operation:
        await operation.cancel()
        await asyncio.sleep(60)


async def _own_and_scope() -> None:
    with anyio.CancelScope() as scope:
        async with Cancelable() as operation:
            await operation.cancel()
            scope.cancel()
            await asyncio.sleep(60)


async def _scope_and_own() -> None:
    with anyio.CancelScope() as scope:
        async with Cancelable() as operation:
            scope.cancel()
            await operation.cancel()
            await asyncio.sleep(60)


async def _scope_after_own() -> None:
    with anyio.CancelScope() as scope:
        async with Cancelable() as operation:
            try:
                await operation.cancel()
                await asyncio.sleep(60)
            finally:
                scope.cancel()


async def _own_and_parent() -> None:
    async with Cancelable() as parent, Cancelable() as child:
        await child.cancel()
        await parent.cancel()
        await asyncio.sleep(60)


async def _parent() -> None:
    async with Cancelable() as parent, Cancelable(), Cancelable.with_timeout(60):
        await parent.cancel()
        await asyncio.sleep(60)


async def _shielded() -> None:
    async with Cancelable() as operation, operation.shield():
        await operation.cancel()
        await asyncio.sleep(0)


MIXES = [
    _completes,
    _own,
    _own_deadline,
    _own_beside_a_source,
    _completes_beside_a_source,
    _own_moving_on,
    _own_checked,
    _own_swallowed,
    _own_with_failing_clean_up,
    _own_in_a_group,
    _own_in_a_native_group,
    _own_in_a_native_timeout,
    _native_timeout_inside,
    _native_timeout_around,
    _native_timeout_around_and_own,
    _own_and_scope,
    _scope_and_own,
    _scope_after_own,
    _own_and_parent,
    _parent,
    _shielded,
]


@pytest.mark.parametrize("before", [0, 2])
@pytest.mark.parametrize("mix", MIXES)
async def test_count_of_native_cancellations_is_what_it_was(mix: Callable[[], Awaitable[None]], before: int) -> None:
    """After a block `task.cancelling()` is what it was before, whatever ended it, and nothing is left to interrupt."""

    async def work() -> None:
        task = _this_task()
        for _ in range(before):
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asyncio.sleep(60)
        assert task.cancelling() == before
        try:
            await mix()
        except (Exception, asyncio.CancelledError):
            pass
        assert task.cancelling() == before
        for _ in range(3):
            await asyncio.sleep(0)

    await asyncio.create_task(work())


@pytest.mark.parametrize("enclosing", ["scope", "operation"])
@pytest.mark.parametrize("native", [0, 1, 2])
async def test_every_native_cancellation_stays_counted(native: int, enclosing: str) -> None:
    """Of own, enclosing and native cancellations of one tick only the native ones are counted after the blocks."""
    operation, around, entered = Cancelable(), Cancelable(), asyncio.Event()
    scope = anyio.CancelScope()

    async def work() -> int:
        try:
            with scope:
                async with around, operation:
                    entered.set()
                    await asyncio.sleep(60)
        except (CancelationError, asyncio.CancelledError):
            pass
        return _this_task().cancelling()

    task = asyncio.create_task(work())
    await asyncio.wait_for(entered.wait(), 5)
    await operation.cancel()
    for _ in range(native):
        task.cancel()
    if enclosing == "scope":
        scope.cancel()
    else:
        await around.cancel()
    assert await task == native
    assert operation.context.status is OperationStatus.CANCELLED
