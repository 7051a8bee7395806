"""What the end of an operation is: after its callbacks for `cancel_and_wait`, and before a deadline nobody met."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncGenerator

import anyio
import anyio.to_thread
import pytest

from hother.cancelable import Cancelable, OperationContext, cancelable


async def test_waiting_includes_the_callbacks() -> None:
    """`cancel_and_wait` in another task returns when the callbacks for cancel have run, not when the body has ended."""
    told: list[str] = []

    async def tell(context: OperationContext) -> None:
        told.append(f"begins {context.status}")
        await anyio.wait_all_tasks_blocked()
        told.append("ends")

    operation = Cancelable(move_on=True).on_cancel(tell)

    async def run() -> None:
        async with operation:
            await anyio.sleep_forever()

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        await anyio.wait_all_tasks_blocked()
        context = await operation.cancel_and_wait(10)
        assert told == ["begins cancelled", "ends"]
    assert context.is_cancelled


async def test_waiting_for_another_loop_includes_the_callbacks() -> None:
    """So it is where the operation runs on the loop of another thread."""
    told: list[str] = []
    running, began, release = threading.Event(), threading.Event(), threading.Event()

    async def tell(_: OperationContext) -> None:
        began.set()
        assert await anyio.to_thread.run_sync(release.wait, 10)
        told.append("called back")

    operation = Cancelable(move_on=True).on_cancel(tell)

    async def run() -> None:
        async with operation:
            running.set()
            await anyio.sleep_forever()

    async def stop() -> None:
        await operation.cancel_and_wait(10)
        assert operation.is_cancelled
        assert told == ["called back"]
        told.append("waited")

    thread = threading.Thread(target=anyio.run, args=(run,))
    thread.start()
    assert await anyio.to_thread.run_sync(running.wait, 10)
    async with anyio.create_task_group() as group:
        group.start_soon(stop)
        assert await anyio.to_thread.run_sync(began.wait, 10)
        await anyio.wait_all_tasks_blocked()
        assert told == []
        release.set()
    await anyio.to_thread.run_sync(thread.join)
    assert told == ["called back", "waited"]


async def test_waiting_after_the_end_returns_at_once() -> None:
    """Whoever comes after the callbacks gets the record."""
    operation = Cancelable().on_complete(lambda _: None)
    async with operation:
        pass
    assert (await operation.cancel_and_wait(10)).status == "completed"


async def test_waiting_by_the_consumer_of_a_generator_is_refused() -> None:
    """Between two items the operation cannot end before its consumer goes on, so waiting there would hang."""
    operations: list[Cancelable] = []

    @cancelable
    async def numbers(cancelable: Cancelable | None = None) -> AsyncGenerator[int]:
        assert cancelable is not None
        operations.append(cancelable)
        yield 0
        yield 1

    got: list[int] = []
    async for number in numbers():
        (operation,) = operations
        with anyio.fail_after(10), pytest.raises(RuntimeError, match="its own end"):
            await operation.cancel_and_wait()
        assert not operation.cancel_requested
        got.append(number)
    assert got == [0, 1]


@pytest.mark.parametrize("followed", [False, True])
async def test_deadline_that_passes_while_the_body_blocks_the_loop(followed: bool) -> None:
    """A body that ends without a checkpoint after its deadline has met none: nobody has asked it to stop."""
    operation = Cancelable.with_timeout(0.01)
    if followed:
        operation.on_complete(lambda _: None)
    async with operation:
        time.sleep(0.03)
    assert operation.is_completed
    assert not operation.cancel_requested
    assert operation.context.cancel_reason is None
