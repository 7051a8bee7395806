"""The three ways to drive a stream, and which one is taken."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import AsyncGenerator
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from hother.cancelable import Cancelable, CancelationToken, ManualCancelation, cancelable_stream
from hother.cancelable.streams import CancelableAsyncIterator, PauseGate, driving
from hother.cancelable.streams.driving import TURN, drive_bare
from hother.cancelable.streams.partial import PartialResult

from .shared import count, count_at_once


def _driver(stream: CancelableAsyncIterator[int]) -> str:
    return str(vars(type(stream._started()))["ag_code"].__get__(stream._started()).co_name)


@pytest.mark.parametrize(
    ("options", "inside", "outside"),
    [
        ({}, "drive_bare", "drive_steps"),
        ({"buffer_partial": True}, "drive_inside", "drive_steps"),
        ({"report_interval": 5}, "drive_inside", "drive_steps"),
        ({"on_progress": print}, "drive_inside", "drive_steps"),
        ({"gate": PauseGate()}, "drive_inside", "drive_steps"),
        ({"timeout": 5}, "drive_steps", "drive_steps"),
        ({"item_timeout": 5}, "drive_steps", "drive_steps"),
        ({"token": CancelationToken()}, "drive_steps", "drive_steps"),
        ({"name": "part"}, "drive_steps", "drive_steps"),
        ({"operation_id": "op-1"}, "drive_steps", "drive_steps"),
    ],
    ids=str,
)
async def test_the_way_that_is_taken(options: dict[str, Any], inside: str, outside: str) -> None:
    """Only what needs an operation of its own gets one, and only what looks at items is slower than the bare way."""
    assert _driver(cancelable_stream(count(1), **options)) == outside
    async with Cancelable() as operation:
        assert _driver(cancelable_stream(count(1), **options)) == outside  # an operation that is not given is above
        assert _driver(operation.stream(count(1), **options)) == inside


async def test_what_async_for_gets() -> None:
    """On asyncio the bare generator, which is faster; on trio the stream, since trio warns of generators left alone."""
    stream = cancelable_stream(count(1))
    iterator = aiter(stream)
    assert aiter(stream) is iterator
    if _on_asyncio():
        assert inspect.isasyncgen(iterator)
    else:
        assert iterator is stream
    assert [number async for number in stream] == [0]


def _on_asyncio() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


@pytest.mark.parametrize("buffered", [False, True])
async def test_a_thread_stops_a_source_that_never_waits(buffered: bool) -> None:
    """In the bare way, too, a cancel from a thread is seen at the next item, without waiting for the loop."""
    asked, told = threading.Event(), threading.Event()

    def cancel(operation: Cancelable) -> None:
        asked.wait(10)
        operation.cancel_sync("from a thread")
        told.set()

    items = 0
    with pytest.raises(ManualCancelation, match="from a thread"):
        async with Cancelable() as operation:
            thread = threading.Thread(target=cancel, args=(operation,))
            thread.start()
            async for number in operation.stream(count_at_once(), buffer_partial=buffered):
                items = number
                if number == 10:
                    asked.set()
                    told.wait(10)
    thread.join()
    assert items == 10


async def test_others_run_while_a_source_never_waits() -> None:
    """Once every so many items, and not more often: checkpoints cost much more than items."""
    turns = 0

    async def spin() -> None:
        nonlocal turns
        while True:
            turns += 1
            await checkpoint()

    async with anyio.create_task_group() as group, Cancelable() as operation:
        group.start_soon(spin)
        await checkpoint()
        for buffered in (False, True):
            before = turns
            async for _ in operation.stream(count_at_once(10 * TURN), buffer_partial=buffered):
                pass
            assert 8 <= turns - before <= 14
        before = turns
        async for _ in cancelable_stream(count_at_once(10 * TURN), name="own"):
            pass
        assert 8 <= turns - before <= 14
        group.cancel_scope.cancel()


async def test_the_turn_can_be_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number is looked up when a stream begins, not when the module is loaded."""
    monkeypatch.setattr(driving, "TURN", 2)
    with anyio.CancelScope() as scope:
        async with Cancelable() as operation:
            async for number in operation.stream(count_at_once()):
                assert number < 4
                scope.cancel()
    assert scope.cancelled_caught


async def test_the_bare_way_takes_its_listener_back() -> None:
    """However it ends, nothing of it stays on the operation's token."""

    async def broken() -> AsyncGenerator[int, None]:
        yield 1
        raise OSError("gone")

    async with Cancelable() as operation:
        callbacks = dict(operation.token._facts)
        listeners = len(operation.token._listeners)
        partial = PartialResult(0)
        generator = drive_bare(count(5), partial, operation)
        assert await anext(generator) == 0
        assert dict(operation.token._facts) != callbacks or len(operation.token._listeners) > listeners
        await generator.aclose()
        assert len(operation.token._listeners) == listeners
        with pytest.raises(OSError, match="gone"):
            _ = [number async for number in drive_bare(broken(), partial, operation)]
        assert len(operation.token._listeners) == listeners
        assert [number async for number in drive_bare(count(2), partial, operation)] == [0, 1]
        assert len(operation.token._listeners) == listeners
