"""Decorated async generators with sources: armed once, heard between the items, stopped at each item."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import anyio
import anyio.lowlevel
import pytest

from hother.cancelable import (
    Cancelable,
    CancelationSource,
    ConditionCancelation,
    cancelable,
    current_operation,
)


class Armed(CancelationSource):
    """Keeps `fire` for the test to call, and notes what is done with it."""

    def __init__(self, broken: bool = False) -> None:
        self.log: list[str] = []
        self.broken = broken
        self.fire: Callable[[str | None], object] | None = None

    async def wait(self) -> str | None:
        raise AssertionError("an armed source is not waited for")

    def arm(self, fire: Callable[[str | None], object]) -> Callable[[], object]:
        if self.broken:
            raise OSError("no wire")
        self.log.append("armed")
        self.fire = fire
        return lambda: self.log.append("disarmed")


class Waiting(CancelationSource):
    """Waits for ever, and takes its time to stop."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.stopping = anyio.Event()
        self.release = anyio.Event()

    async def wait(self) -> str | None:
        self.log.append("started")
        try:
            await anyio.Event().wait()
            return None
        finally:
            self.stopping.set()
            with anyio.CancelScope(shield=True):
                await self.release.wait()
            self.log.append("stopped")


async def test_source_is_armed_once_for_all_items() -> None:
    """It is armed before the first item and disarmed after the last, not in between."""
    source = Armed()

    @cancelable(sources=[source])
    async def numbers() -> AsyncGenerator[int]:
        for number in range(3):
            await anyio.lowlevel.checkpoint()
            yield number

    async for number in numbers():
        source.log.append(str(number))
    assert source.log == ["armed", "0", "1", "2", "disarmed"]


async def test_source_that_fires_while_the_consumer_works() -> None:
    """The consumer is not interrupted; the generator is, at the next item."""
    source, log = Armed(), list[str]()
    operations: list[Cancelable] = []

    @cancelable(sources=[source])
    async def numbers(cancelable: Cancelable | None = None) -> AsyncGenerator[int]:
        assert cancelable is not None
        operations.append(cancelable)
        for number in range(3):
            yield number
            await anyio.lowlevel.checkpoint()
            log.append("never")

    with pytest.raises(ConditionCancelation, match="now"):
        async for number in numbers():
            assert source.fire is not None
            source.fire("now")
            await anyio.lowlevel.checkpoint()
            log.append(f"worked on {number}")
    assert log == ["worked on 0"]
    assert source.log == ["armed", "disarmed"]
    assert [operation.is_cancelled for operation in operations] == [True]


async def test_source_that_cannot_be_armed() -> None:
    """Its error leaves the first item; those armed before are disarmed and no operation stays open."""
    source, waiting, ran = Armed(), Waiting(), list[str]()

    @cancelable(sources=[source, waiting, Armed(broken=True)])
    async def numbers() -> AsyncGenerator[int]:
        ran.append("body")
        yield 0

    async with aclosing(numbers()) as items:
        with pytest.raises(OSError, match="no wire"):
            await anext(items)
        with pytest.raises(StopAsyncIteration):
            await anext(items)
    assert source.log == ["armed", "disarmed"]
    assert waiting.log == []
    assert ran == []
    assert current_operation() is None
    with anyio.move_on_after(0) as scope:
        await anyio.sleep_forever()
    assert scope.cancelled_caught


@pytest.mark.loops("asyncio", "eager", "uvloop")
async def test_native_cancel_while_a_step_waits_for_a_slow_source() -> None:
    """The item is handed out first, then `task.cancel()` leaves as `CancelledError`, and every scope is closed."""
    source, log = Waiting(), list[str]()

    @cancelable(sources=[source])
    async def numbers() -> AsyncGenerator[int]:
        await anyio.wait_all_tasks_blocked()
        try:
            yield 0
        finally:
            log.append("closed")

    async def consume() -> None:
        with anyio.CancelScope() as around:
            try:
                async with aclosing(numbers()) as items:
                    async for _ in items:
                        log.append("item")
            except asyncio.CancelledError:
                log.append("cancelled")
                assert current_operation() is None
                task = asyncio.current_task()
                assert task is not None
                task.uncancel()
            await anyio.lowlevel.checkpoint()
        assert not around.cancelled_caught
        with anyio.move_on_after(0) as scope:
            await anyio.sleep_forever()
        assert scope.cancelled_caught
        log.append("goes on")

    task = asyncio.ensure_future(consume())
    await source.stopping.wait()
    task.cancel()
    await anyio.wait_all_tasks_blocked()
    assert log == []
    source.release.set()
    await task
    assert log == ["item", "closed", "cancelled", "goes on"]
    assert source.log[:2] == ["started", "stopped"]
    assert source.log.count("started") == source.log.count("stopped")
