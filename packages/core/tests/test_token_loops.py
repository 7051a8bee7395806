"""Tokens and event loops: before, during and after a loop runs, and several loops that share one."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from hother.cancelable import Cancelable, CancelationReason, CancelationToken, ManualCancelation

LOOPS = [
    pytest.param("asyncio", {}, id="asyncio"),
    pytest.param("asyncio", {"use_uvloop": True}, id="uvloop"),
    pytest.param("trio", {}, id="trio"),
]


def _in_threads(*calls: Callable[[], object]) -> None:
    """Run calls in threads of their own, all from the same moment, and raise what they raise."""
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], object]) -> None:
        start.wait()
        call()

    with ThreadPoolExecutor(len(calls)) as pool:
        for each in [pool.submit(run, call) for call in calls]:
            each.result(25)


@pytest.mark.parametrize(("backend", "options"), LOOPS)
def test_a_token_cancelled_before_any_loop_runs(backend: str, options: dict[str, Any]) -> None:
    """An operation on a token that was cancelled in good time is interrupted at its first checkpoint."""
    token, steps = CancelationToken(), list[str]()
    token.cancel_sync("before the loop")

    async def main() -> None:
        async with Cancelable.with_token(token):
            steps.append("entered")
            await anyio.lowlevel.checkpoint()
            steps.append("went on")

    with pytest.raises(ManualCancelation, match="before the loop"):
        anyio.run(main, backend=backend, backend_options=options)
    assert steps == ["entered"]
    assert not token._listeners


@pytest.mark.parametrize(("backend", "options"), LOOPS)
def test_a_token_cancelled_after_its_loop_has_ended(backend: str, options: dict[str, Any]) -> None:
    """A token that was used in loops keeps nothing of them, and can be cancelled and used in the next one."""
    token = CancelationToken()

    async def use() -> None:
        async with Cancelable.with_token(token):
            with anyio.move_on_after(0.001):
                await token.wait_for_cancel()

    for _ in range(2):
        anyio.run(use, backend=backend, backend_options=options)
    assert not token._listeners
    assert token.cancel_sync("after the loop")
    anyio.run(token.wait_for_cancel, backend=backend, backend_options=options)


@pytest.mark.parametrize(("backend", "options"), LOOPS)
def test_a_waiter_that_was_left_on_a_closed_loop(backend: str, options: dict[str, Any]) -> None:
    """Cancelling does not raise for a loop that was closed under a waiter, and still tells all others."""
    token, calls = CancelationToken(), list[CancelationToken]()
    abandoned = token.wait_for_cancel()

    async def main() -> None:
        abandoned.send(None)  # up to its wait, in no task that could end it

    anyio.run(main, backend=backend, backend_options=options)
    assert len(token._listeners) == 1
    token.on_cancel(calls.append)
    assert token.cancel_sync()
    assert calls == [token]
    abandoned.close()


def test_a_token_shared_by_three_loops_and_two_threads() -> None:
    """One request ends operations on asyncio, uvloop and trio and waits in threads, each told the same reason."""
    token, heard = CancelationToken(), list[tuple[CancelationReason | None, str | None]]()
    ready = threading.Semaphore(0)

    async def operate() -> None:
        with pytest.raises(ManualCancelation) as caught:
            async with Cancelable.with_token(token):
                ready.release()
                await anyio.sleep(20)
        heard.append((caught.value.reason, caught.value.message))

    def wait() -> None:
        ready.release()
        assert token.wait_sync(20)
        heard.append((token.reason, token.message))

    def cancel() -> None:
        for _ in range(5):
            assert ready.acquire(timeout=20)
        token.cancel_sync("everybody")

    _in_threads(
        lambda: anyio.run(operate, backend="asyncio"),
        lambda: anyio.run(operate, backend="asyncio", backend_options={"use_uvloop": True}),
        lambda: anyio.run(operate, backend="trio"),
        wait,
        wait,
        cancel,
    )
    assert heard == [(CancelationReason.MANUAL, "everybody")] * 5
    assert not token._listeners


def test_a_token_cancelled_from_one_of_the_loops_that_share_it() -> None:
    """`await token.cancel()` on one loop ends the operations on the others, too."""
    token, ready, ended = CancelationToken(), threading.Semaphore(0), list[str]()

    async def operate() -> None:
        async with Cancelable.with_token(token, move_on=True) as operation:
            ready.release()
            await anyio.sleep(20)
        ended.append(operation.context.cancel_message or "")

    async def cancel() -> None:
        async with Cancelable.with_token(token, move_on=True) as operation:
            for _ in range(2):
                assert ready.acquire(timeout=20)
            assert await token.cancel("from a loop")
            await anyio.sleep(20)
        ended.append(operation.context.cancel_message or "")

    _in_threads(
        lambda: anyio.run(operate, backend="trio"),
        lambda: anyio.run(operate, backend="asyncio"),
        lambda: anyio.run(cancel, backend="asyncio"),
    )
    assert ended == ["from a loop"] * 3


def test_a_loop_that_is_closed_while_a_thread_cancels() -> None:
    """However near the end of a loop a request comes, it does not raise."""
    for _ in range(30):
        token = CancelationToken()
        waiting = token.wait_for_cancel()

        async def main(waiting: Coroutine[Any, Any, None] = waiting) -> None:
            with contextlib.suppress(StopIteration):
                waiting.send(None)

        def run(main: Callable[[], Coroutine[Any, Any, None]] = main) -> None:
            anyio.run(main)

        _in_threads(run, token.cancel_sync)
        waiting.close()
