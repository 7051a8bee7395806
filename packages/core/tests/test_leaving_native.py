"""What asyncio's own `task.cancel()` does to an operation."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
import pytest

from hother.cancelable import Cancelable, CancelationError, CancelationReason, CancelationSource, current_operation

pytestmark = pytest.mark.loops("asyncio", "eager", "uvloop")


def _this_task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None
    return task


async def _wait_for(step: asyncio.Event) -> None:
    await asyncio.wait_for(step.wait(), 5)


async def test_native_cancel_passes_untouched() -> None:
    """A `CancelledError` from `task.cancel()` leaves as the same object with its message; the record says EXTERNAL."""
    operation, seen = Cancelable(), list[BaseException]()
    entered = asyncio.Event()

    async def work() -> None:
        try:
            async with operation:
                try:
                    entered.set()
                    await asyncio.sleep(60)
                except asyncio.CancelledError as error:
                    seen.append(error)
                    raise
        except asyncio.CancelledError as error:
            seen.append(error)
            assert _this_task().cancelling() == 1
            raise

    task = asyncio.create_task(work())
    await _wait_for(entered)
    task.cancel("from outside")
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen[0] is seen[1]
    assert type(seen[0]) is asyncio.CancelledError
    assert task.cancelled()
    context = operation.context
    assert (context.status, context.cancel_reason, context.cancel_message) == ("cancelled", "external", "from outside")
    assert not operation.cancel_requested


@pytest.mark.parametrize("own_first", [True, False])
async def test_own_request_and_native_cancel_in_the_same_tick(own_first: bool) -> None:
    """Where both come at once the native one wins, as it encloses the block; the own request stays on the token."""
    operation, entered = Cancelable(), asyncio.Event()
    left: list[BaseException] = []

    async def work() -> None:
        try:
            async with operation:
                entered.set()
                await asyncio.sleep(60)
        except BaseException as error:
            left.append(error)
            assert _this_task().cancelling() == 1
            raise

    task = asyncio.create_task(work())
    await _wait_for(entered)
    if own_first:
        await operation.cancel("own")
    task.cancel("native")
    if not own_first:
        await operation.cancel("own")
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not isinstance(left[0], CancelationError)
    assert (operation.context.status, operation.context.cancel_reason) == ("cancelled", "external")
    assert operation.token.message == "own"


async def test_native_cancel_during_the_clean_up_wins() -> None:
    """A native cancellation that comes while the body cleans up ends the task."""
    operation, cleaning = Cancelable(), asyncio.Event()

    async def work() -> None:
        async with operation:
            try:
                await operation.cancel("own")
                await asyncio.sleep(60)
            finally:
                with anyio.CancelScope(shield=True):
                    cleaning.set()
                    await asyncio.sleep(60)

    task = asyncio.create_task(work())
    await _wait_for(cleaning)
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    assert not isinstance(caught.value, CancelationError)
    assert operation.context.cancel_reason is CancelationReason.EXTERNAL
    assert operation.token.message == "own"


class SlowSource(CancelationSource):
    """A source whose task takes a while to end."""

    def __init__(self) -> None:
        self.stopping, self.may_end = asyncio.Event(), asyncio.Event()

    async def wait(self) -> str | None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                self.stopping.set()
                await self.may_end.wait()
        return None


@pytest.mark.parametrize("own", [False, True])
async def test_native_cancel_while_the_sources_end(own: bool) -> None:
    """A native cancellation that comes while the block waits for its sources still ends the operation properly."""
    source = SlowSource()
    operation = Cancelable.with_source(source)

    async def work() -> None:
        try:
            async with operation:
                await asyncio.sleep(0)
                if own:
                    await operation.cancel("own")
                    await asyncio.sleep(60)
        finally:
            assert current_operation() is None

    task = asyncio.create_task(work())
    await _wait_for(source.stopping)
    task.cancel()
    await asyncio.sleep(0)
    source.may_end.set()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    assert not isinstance(caught.value, CancelationError)
    assert not operation.is_running
    assert operation.context.cancel_reason is not None or operation.is_completed
