"""Correct functions that `cancel_at_each_checkpoint` must not blame, and runs that say nothing of cancellation."""

from __future__ import annotations

import asyncio
import decimal
import sys
from contextvars import Context, ContextVar

import anyio
import pytest
from anyio.lowlevel import checkpoint

from hother.cancelable import Cancelable
from hother.cancelable.testing import cancel_at_each_checkpoint

TENANT: ContextVar[str] = ContextVar("TENANT", default="nobody")


@pytest.mark.virtual_time
async def test_a_shielded_clean_up_may_sleep_to_its_end() -> None:
    """What ends a sleep on trio is a deadline of its own, not the cancellation that waits outside the shield."""

    async def work() -> str:
        try:
            await checkpoint()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(1)
        return "done"

    await cancel_at_each_checkpoint(work, ways=["token", "timeout"])


@pytest.mark.virtual_time
async def test_a_shielded_clean_up_may_have_limits_of_its_own() -> None:
    """A scope or an operation that ends a part of the clean-up is not taken for the kit."""

    async def scope() -> None:
        with anyio.move_on_after(1, shield=True):
            await anyio.sleep_forever()

    async def operation() -> None:
        with anyio.CancelScope(shield=True):
            async with Cancelable.with_timeout(1, move_on=True):
                await anyio.sleep_forever()

    async def group() -> None:
        with anyio.CancelScope(shield=True):
            async with anyio.create_task_group() as children:
                children.start_soon(anyio.sleep_forever)
                await checkpoint()
                children.cancel_scope.cancel()
                await anyio.sleep(1)

    for function in (scope, operation, group):
        await cancel_at_each_checkpoint(function, ways=["token", "timeout"])


@pytest.mark.virtual_time
@pytest.mark.loops("asyncio", "eager")
async def test_a_shielded_clean_up_may_use_asyncio_timeout() -> None:
    """Asyncio's own limits cancel without a word of who it was."""

    async def work() -> None:
        with anyio.CancelScope(shield=True):
            try:
                async with asyncio.timeout(1):
                    await asyncio.sleep(5)
            except TimeoutError:
                pass

    await cancel_at_each_checkpoint(work, ways=["token", "timeout"])


async def test_a_variable_put_back_to_its_default_is_not_left() -> None:
    """A context variable that says what it said before has not changed, however it was put back."""

    async def work() -> None:
        before = TENANT.get()
        TENANT.set("me")
        try:
            await checkpoint()
        finally:
            TENANT.set(before)

    await cancel_at_each_checkpoint(work)


def test_decimals_are_not_left() -> None:
    """The context of `decimal`, which the first calculation in a task sets, is no leftover."""

    async def work() -> None:
        assert decimal.Decimal(1) / 2
        await checkpoint()

    Context().run(anyio.run, cancel_at_each_checkpoint, work)


@pytest.mark.loops("asyncio", "eager")
async def test_a_group_whose_child_fails() -> None:
    """Before Python 3.13 asyncio's group leaves its own request to cancel; that is not the function's fault."""

    async def fail() -> None:
        await asyncio.sleep(0)
        raise LookupError

    async def work() -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(fail())
                group.create_task(asyncio.sleep(60))
        except* LookupError:
            pass
        await asyncio.sleep(0)

    await cancel_at_each_checkpoint(work, ways=["token"])


@pytest.mark.skipif(sys.version_info < (3, 13), reason="asyncio's own groups do that before Python 3.13")
@pytest.mark.loops("asyncio", "eager")
async def test_a_request_left_behind_is_reported() -> None:
    """A function that cancels itself and catches that must take the request back."""

    async def work() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            pass

    with pytest.raises(AssertionError, match=r"left Task\.cancelling\(\) 1 too high"):
        await cancel_at_each_checkpoint(work)


@pytest.mark.virtual_time
async def test_a_run_that_waits_for_what_another_has_left_is_given_up() -> None:
    """A lock that a cancelled run has kept does not hang the test; the error names that run and the place."""
    lock = anyio.Semaphore(1)

    async def keep() -> None:
        await lock.acquire()
        await anyio.sleep(30)
        lock.release()

    with pytest.raises(
        AssertionError,
        match=r"of keep\(\) waited 65 s at .*alarms\.py:\d+ in .*keep before it came to point 2.*"
        r"An earlier run may be at fault \(the last was cancelled .* at point \d, .*alarms\.py:\d+ in .*keep\)",
    ):
        await cancel_at_each_checkpoint(keep)


async def test_earlier_findings_are_told_when_a_run_cannot_be_repeated() -> None:
    """A point that was found to fail is in the report, whatever happens after it."""
    calls = 0

    async def work() -> None:
        nonlocal calls
        calls += 1
        if calls > 2:
            raise LookupError("nothing left")
        try:
            await checkpoint()
        except BaseException:
            pass

    with pytest.raises(AssertionError) as caught:
        await cancel_at_each_checkpoint(work)
    assert "cancelled natively, it\n      swallowed the cancellation" in str(caught.value)
    assert "No further point was tried: run 3 of work() raised LookupError('nothing left')" in str(caught.value)
