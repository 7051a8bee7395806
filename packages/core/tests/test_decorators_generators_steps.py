"""Stepping and closing a decorated async generator: what is sent, thrown and closed reaches it."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator
from contextlib import aclosing

import anyio
import anyio.lowlevel
import pytest

from hother.cancelable import (
    Cancelable,
    CancelationToken,
    ManualCancelation,
    cancelable,
    cancelable_with_token,
    current_operation,
)

from .shared import count, here


async def test_what_is_sent_reaches_the_generator() -> None:
    """`asend` gives the generator a value, and brings back its next item."""

    @cancelable
    async def echo() -> AsyncGenerator[str, str]:
        said = yield "ready"
        while said != "stop":
            await anyio.lowlevel.checkpoint()
            said = yield said.upper()

    iterator = echo()
    assert await iterator.__anext__() == "ready"
    assert await iterator.asend("one") == "ONE"
    assert await iterator.asend("two") == "TWO"
    with pytest.raises(StopAsyncIteration):
        await iterator.asend("stop")


async def test_what_is_thrown_reaches_the_generator() -> None:
    """`athrow` raises in the generator, which may go on or let it pass."""
    seen: list[Cancelable] = []

    @cancelable
    async def stream() -> AsyncGenerator[str, None]:
        seen.append(here())
        try:
            yield "first"
        except KeyError as error:
            await anyio.lowlevel.checkpoint()
            yield f"caught {error}"
        yield "last"

    iterator = stream()
    assert await iterator.__anext__() == "first"
    assert await iterator.athrow(KeyError("x")) == "caught 'x'"
    assert await iterator.__anext__() == "last"
    error = OSError("y")
    with pytest.raises(OSError, match="y") as caught:
        await iterator.athrow(error)
    assert caught.value is error
    assert seen[0].context.error == "OSError: y"
    assert [item async for item in iterator] == []


async def test_closing_reaches_the_generator() -> None:
    """`aclose` ends the generator at its `yield`; its clean-up may wait, and nothing of the operation stays."""
    token, told, seen = CancelationToken(), list[str](), list[Cancelable]()

    @cancelable_with_token(token)
    async def stream() -> AsyncGenerator[int, None]:
        seen.append(here())
        try:
            yield 1
            yield 2
        except GeneratorExit:
            told.append("closed")
            raise
        finally:
            await anyio.lowlevel.checkpoint()
            told.append("cleaned up")

    iterator = stream()
    assert await iterator.__anext__() == 1
    await iterator.aclose()
    await iterator.aclose()
    assert told == ["closed", "cleaned up"]
    assert not seen[0].is_running
    assert not token._listeners
    assert current_operation() is None


async def test_closing_before_the_first_step() -> None:
    """A generator that was never started can be closed, and its operation is never entered."""
    token = CancelationToken()

    @cancelable_with_token(token)
    async def stream() -> AsyncGenerator[int, None]:
        raise AssertionError("never started")
        yield 1

    iterator = stream()
    await iterator.aclose()
    assert not token._listeners


async def test_breaking_out_of_a_generator() -> None:
    """A consumer that breaks is not interrupted afterwards, and closing leaves nothing."""
    token, told = CancelationToken(), list[str]()

    @cancelable_with_token(token, timeout=60)
    async def stream() -> AsyncGenerator[int, None]:
        try:
            for number in range(10):
                yield number
        finally:
            told.append("cleaned up")

    async with aclosing(stream()) as iterator:
        async for item in iterator:
            if item == 3:
                break
        assert told == []
    assert told == ["cleaned up"]
    assert not token._listeners
    await token.cancel()
    await anyio.lowlevel.checkpoint()


@pytest.mark.loops("asyncio", "uvloop", "eager")
async def test_a_generator_that_is_forgotten() -> None:
    """One that is dropped in the midst is closed by the loop, in a task of its own, and leaves nothing."""
    token, told = CancelationToken(), list[str]()

    @cancelable_with_token(token, timeout=60)
    async def stream() -> AsyncGenerator[int, None]:
        try:
            yield 1
        finally:
            told.append("cleaned up")

    async for item in stream():
        assert item == 1
        break
    gc.collect()
    for _ in range(10):
        await asyncio.sleep(0)
    assert told == ["cleaned up"]
    assert not token._listeners
    assert current_operation() is None


async def test_a_generator_that_is_moved_between_tasks() -> None:
    """Each step may be taken by another task; the timeout and the token still hold."""
    token = CancelationToken()
    iterator = cancelable_with_token(token)(count.__wrapped__)(10)  # type: ignore[attr-defined]
    items: list[int] = []

    async def step() -> None:
        items.append(await iterator.__anext__())

    for _ in range(3):
        async with anyio.create_task_group() as group:
            group.start_soon(step)
    await token.cancel("stop")
    with pytest.raises(ManualCancelation, match="stop"):
        await iterator.__anext__()
    assert items == [0, 1, 2]
