"""`cancel_and_wait`: telling an operation to stop and waiting until it has."""

from __future__ import annotations

import itertools
import math
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from types import FrameType
from typing import Any

import anyio
import anyio.to_thread
import pytest

from hother.cancelable import (
    Cancelable,
    CancelationReason,
    CancelationToken,
    ManualCancelation,
    OperationContext,
    OperationStatus,
)
from hother.cancelable.core import waiting


async def _run(operation: Cancelable, ended: list[str]) -> None:
    async with operation:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.lowlevel.checkpoint()
            ended.append("cleaned up")


async def test_waiting_from_another_task() -> None:
    """When it returns the body has cleaned up and the operation has ended; the record tells how."""
    operation, ended = Cancelable(move_on=True), list[str]()
    async with anyio.create_task_group() as group:
        group.start_soon(_run, operation, ended)
        await anyio.wait_all_tasks_blocked()
        context = await operation.cancel_and_wait(reason=CancelationReason.SHUTDOWN, message="bye")
        assert ended == ["cleaned up"]
    assert context is operation.context
    assert (context.status, context.cancel_reason) == (OperationStatus.CANCELLED, CancelationReason.SHUTDOWN)
    assert context.cancel_message == "bye"


async def test_waiting_by_several_tasks_at_once() -> None:
    """All who wait are told; only the first request counts."""
    operation, ended, told = Cancelable(move_on=True), list[str](), list[OperationContext]()

    async def stop(message: str) -> None:
        told.append(await operation.cancel_and_wait(5, message))

    async with anyio.create_task_group() as group:
        group.start_soon(_run, operation, ended)
        await anyio.wait_all_tasks_blocked()
        await operation.cancel("first")
        for number in range(3):
            group.start_soon(stop, str(number))
    assert told == [operation.context] * 3
    assert operation.context.cancel_message == "first"


async def test_waiting_for_an_operation_that_completes_all_the_same() -> None:
    """A body that ends without being interrupted is reported as completed."""
    operation, go = Cancelable(), anyio.Event()

    async def run() -> None:
        async with operation:
            with anyio.CancelScope(shield=True):
                await go.wait()

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        await anyio.wait_all_tasks_blocked()
        operation.token.on_cancel(lambda _: go.set())
        context = await operation.cancel_and_wait()
    assert context.status is OperationStatus.COMPLETED


async def test_waiting_in_its_own_body_is_refused() -> None:
    """An operation cannot wait in its own body for its own end, nor in a child or a nested scope there."""
    with pytest.raises(ManualCancelation, match="this one"):
        async with Cancelable(name="outer") as outer:
            for _ in range(2):
                with pytest.raises(RuntimeError, match="'outer' cannot wait in its own body for its own end"):
                    await outer.cancel_and_wait()
            with anyio.CancelScope(shield=True):
                async with Cancelable(name="inner"):
                    with pytest.raises(RuntimeError, match="own body"):
                        await outer.cancel_and_wait(timeout=5)
            assert not outer.cancel_requested
            await outer.cancel("this one")
            await anyio.sleep_forever()


async def test_waiting_in_a_task_of_its_own_body_is_refused() -> None:
    """A task in a group inside the body would be waited for by the body, so it cannot wait either."""
    async with Cancelable(name="outer") as outer:
        refused: list[RuntimeError] = []

        async def stop() -> None:
            with pytest.raises(RuntimeError, match="own body") as caught:
                await outer.cancel_and_wait()
            refused.append(caught.value)

        async with anyio.create_task_group() as group:
            group.start_soon(stop)
    assert len(refused) == 1
    assert outer.is_completed


async def test_waiting_for_an_inner_operation_in_the_body_of_an_outer_one() -> None:
    """The outer body may wait for an operation that runs in a task of its own."""
    async with Cancelable() as outer:
        inner, ended = Cancelable(move_on=True), list[str]()
        async with anyio.create_task_group() as group:
            group.start_soon(_run, inner, ended)
            await anyio.wait_all_tasks_blocked()
            await inner.cancel_and_wait()
            assert ended == ["cleaned up"]
    assert (inner.is_cancelled, outer.is_completed) == (True, True)


@pytest.mark.virtual_time
@pytest.mark.parametrize("timeout", [30, timedelta(seconds=30)])
async def test_waiting_has_a_limit(timeout: float | timedelta) -> None:
    """After the limit a TimeoutError says so; the request stands, and one can wait again."""
    operation, start = Cancelable(name="slow", move_on=True), anyio.current_time()

    async def run() -> None:
        async with operation:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(100)
            await anyio.sleep_forever()

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(TimeoutError, match="'slow' has not ended 30 s after it was told to stop"):
            await operation.cancel_and_wait(timeout, "stop")
        assert anyio.current_time() - start == pytest.approx(30)
        assert operation.is_running
        assert operation.cancel_requested
        context = await operation.cancel_and_wait(100)
    assert anyio.current_time() - start == pytest.approx(100)
    assert context.cancel_message == "stop"


@pytest.mark.parametrize("timeout", [0, -1, math.nan])
async def test_a_limit_that_makes_no_sense_is_refused(timeout: float) -> None:
    """Zero, negative and NaN limits are ValueErrors, and nothing is cancelled."""
    operation = Cancelable()
    with pytest.raises(ValueError, match="timeout must be more than zero seconds"):
        await operation.cancel_and_wait(timeout)
    assert not operation.cancel_requested


async def test_waiting_is_interrupted_like_any_wait() -> None:
    """One who waits can be cancelled; the request stands and nothing is left."""
    operation, ended = Cancelable(move_on=True), list[str]()
    async with anyio.create_task_group() as group:

        async def run() -> None:
            async with operation:
                with anyio.CancelScope(shield=True):
                    await go.wait()
                await anyio.sleep_forever()

        go = anyio.Event()
        group.start_soon(run)
        await anyio.wait_all_tasks_blocked()
        with anyio.move_on_after(0.01) as scope:
            await operation.cancel_and_wait()
        assert scope.cancelled_caught
        assert operation.cancel_requested
        go.set()
    assert ended == []
    assert operation.is_cancelled


async def test_waiting_before_entry_waits_for_the_whole_life() -> None:
    """An operation that is still to be entered is cancelled right after, and its end is waited for."""
    operation, told = Cancelable(move_on=True), list[OperationContext]()

    async def stop() -> None:
        told.append(await operation.cancel_and_wait())

    async with anyio.create_task_group() as group:
        group.start_soon(stop)
        await anyio.wait_all_tasks_blocked()
        assert told == []
        group.start_soon(_run, operation, list[str]())
    assert told[0].status is OperationStatus.CANCELLED


async def test_waiting_after_the_end_returns_at_once() -> None:
    """The record of an operation that has ended is returned as it is."""
    async with Cancelable() as operation:
        pass
    with anyio.fail_after(5):
        context = await operation.cancel_and_wait()
    assert context.status is OperationStatus.COMPLETED
    assert not operation.cancel_requested


@pytest.mark.parametrize(
    ("backend", "options"), [("asyncio", {}), ("asyncio", {"use_uvloop": True}), ("trio", {})], ids=str
)
async def test_waiting_from_the_loop_of_another_thread(backend: str, options: dict[str, Any]) -> None:
    """The end is told across threads and loops of any kind."""
    operation, told = Cancelable(move_on=True), list[OperationContext]()

    async def stop() -> None:
        told.append(await operation.cancel_and_wait(20, "from elsewhere"))

    with anyio.fail_after(20):
        async with operation:
            thread = threading.Thread(
                target=anyio.run, args=(stop,), kwargs={"backend": backend, "backend_options": options}
            )
            thread.start()
            await anyio.sleep_forever()
    thread.join(20)
    assert told == [operation.context]
    assert operation.context.cancel_message == "from elsewhere"


async def test_waiting_from_the_loop_of_another_thread_at_the_very_end() -> None:
    """However near the end of the operation it comes, one who waits on another loop is told."""
    for _ in range(30):
        operation, told = Cancelable(), list[OperationContext]()

        async def stop(operation: Cancelable = operation, told: list[OperationContext] = told) -> None:
            told.append(await operation.cancel_and_wait(20))

        thread = threading.Thread(target=anyio.run, args=(stop,))
        async with operation:
            thread.start()
        thread.join(25)
        assert len(told) == 1


def _at_step(at: int, call: Callable[[], None]) -> Callable[[FrameType, str, object], Any]:
    """Return a trace function that makes a call before a line of the module that wakes those who wait."""
    steps = itertools.count()

    def trace(frame: FrameType, event: str, arg: object) -> Any:
        if frame.f_code.co_filename != waiting.__file__:
            return None
        if event == "line" and next(steps) == at:
            call()
        return trace

    return trace


@pytest.mark.parametrize("at", range(6))
def test_one_who_gives_up_waiting_at_the_very_end(at: int) -> None:
    """The operation ends as ever although, in the midst of its end, one on another loop gives up waiting for it."""
    operation, giving_up, waits = Cancelable(move_on=True), CancelationToken(), threading.Event()

    async def wait() -> None:
        async with anyio.create_task_group() as group, Cancelable.with_token(giving_up, move_on=True):
            group.start_soon(tell)
            await operation.cancel_and_wait()

    async def tell() -> None:
        await anyio.wait_all_tasks_blocked()
        waits.set()

    thread = threading.Thread(target=anyio.run, args=(wait,))

    def give_up() -> None:
        giving_up.cancel_sync()
        thread.join(20)

    async def main() -> None:
        await operation.__aenter__()
        try:
            thread.start()
            assert await anyio.to_thread.run_sync(waits.wait, 20)
            await anyio.sleep_forever()
        except BaseException:
            sys.settrace(_at_step(at, give_up))
            try:
                assert await operation.__aexit__(*sys.exc_info())
            finally:
                sys.settrace(before)

    before = sys.gettrace()
    anyio.run(main)
    thread.join(20)
    assert not thread.is_alive()
    assert operation.is_cancelled
