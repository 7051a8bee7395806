"""Getting an async iterator of whatever people call a stream, and closing it."""

from __future__ import annotations

import asyncio
import inspect
import math
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from functools import partial as bind
from typing import Any, TypeVar

import anyio
from anyio.abc import AsyncResource
from anyio.lowlevel import RunVar

from hother.cancelable import Cancelable
from hother.cancelable.core import current_loop, logger

T = TypeVar("T")

_left: RunVar[list[AsyncGenerator[Any, None]]] = RunVar("hother.cancelable.streams.left")

CLOSE_TIMEOUT = 5.0
"""How long a source may take to clean up when its consumer is cancelled, in seconds."""


def require_stream(stream: object) -> None:
    """Refuse what cannot be iterated with `async for`.

    Raises:
        TypeError: If it cannot; says what to do instead.
    """
    if isinstance(stream, AsyncIterable):
        return
    if inspect.iscoroutine(stream):
        stream.close()
        raise TypeError(f"await the coroutine {stream.__name__!r} first: what it returns may be a stream")
    if inspect.isawaitable(stream):
        raise TypeError(f"await {stream!r} first: what it returns may be a stream")
    if inspect.isasyncgenfunction(stream):
        raise TypeError(f"call {stream.__name__!r}: an async generator function makes a stream, it is none")
    kind = type(stream).__name__
    if isinstance(stream, Iterable):
        raise TypeError(
            f"{kind} is a sync iterable, which would block the event loop: fetch its items in a "
            "worker thread with Cancelable.run_in_thread or anyio.to_thread.run_sync, or wrap it in an async generator"
        )
    raise TypeError(f"a stream is something for `async for`, not {stream!r}")


async def close_iterator(iterator: AsyncIterator[Any], operation: Cancelable | None = None) -> None:
    """Close an iterator that can be closed, as async generators can.

    A stream of anyio stays open: it belongs to those who have opened it, and they may go on to receive from it. While
    the consumer is being cancelled, or its operation was told to stop, the iterator is protected for a while.

    asyncio closes all generators that are alive at the end of the loop, and those of a reference cycle, in any order
    and at the same time. What it closes already is left to it.
    """
    close = getattr(iterator, "aclose", None)
    if close is None or isinstance(iterator, AsyncResource):
        return
    if getattr(iterator, "ag_running", None) is not None and isinstance(current_loop(), asyncio.AbstractEventLoop):
        close = bind(_close_on_asyncio, iterator, close)
    told = operation is not None and operation.cancel_requested
    told = told or anyio.current_effective_deadline() == -math.inf
    with anyio.move_on_after(CLOSE_TIMEOUT if told else None, shield=told) as limit:
        await close()
    if limit.cancelled_caught:
        logger.warning("the clean-up of the stream %r was cut off after %g s", iterator, CLOSE_TIMEOUT)


async def _close_on_asyncio(generator: AsyncIterator[Any], close: Callable[[], Awaitable[object]]) -> None:
    task = asyncio.current_task()
    try:
        if task is not None and type(task.get_coro()).__name__ == "async_generator_athrow":  # a task of the loop's
            await asyncio.sleep(0)  # then what else it closes has begun
    finally:
        if not getattr(generator, "ag_running", False):
            await close()


def close_in_system_task(generator: AsyncGenerator[Any, None]) -> None:
    """Close a generator that nobody iterates any more, on trio."""
    import trio

    try:
        trio.lowlevel.spawn_system_task(_close, generator)
    except RuntimeError:  # the main task has ended: trio itself closes all generators that are alive
        _left.set([*_left.get([]), generator])


async def _close(generator: AsyncGenerator[Any, None]) -> None:
    if getattr(generator, "ag_running", False):  # somebody closes it already
        return
    try:
        await generator.aclose()
    except Exception:
        logger.exception("a stream that was left could not be closed")
