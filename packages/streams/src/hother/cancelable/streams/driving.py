"""The three ways to drive a stream; none holds a scope or a context variable while the consumer has an item.

A scope that is open across a `yield` interrupts the wrong code (https://peps.python.org/pep-0789/).
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from functools import partial as bind
from typing import Any, TypeVar

from anyio.lowlevel import checkpoint

from hother.cancelable import Cancelable, CancelationToken
from hother.cancelable.core import end_steps, entered_here, step

from .iterating import close_iterator
from .partial import PartialResult

T = TypeVar("T")

TURN = 1000
"""After so many items a stream lets others run, even if its source never waits, so that it can be cancelled."""


async def drive_bare(
    iterator: AsyncIterator[T], partial: PartialResult, operation: Cancelable
) -> AsyncGenerator[T, None]:
    """Hand on what comes, inside an operation that the consumer's task has entered. The path that has to be fast."""
    partial.began = True
    count, due = 0, TURN

    def look_at_once(_: CancelationToken) -> None:
        nonlocal due
        due = 0

    registration = operation.token.on_cancel(look_at_once)
    partial.count_with(lambda: count)
    try:
        await operation.check_cancelation()
        async for item in iterator:
            count += 1
            yield item
            if count >= due:
                due = count + TURN
                await checkpoint()
                await operation.check_cancelation()
        partial.completed = True
    finally:
        registration.unregister()
        partial.count_with(count)
        await close_iterator(iterator, operation)


async def drive_inside(
    iterator: AsyncIterator[T], partial: PartialResult, operation: Cancelable, advance: Callable[[], Awaitable[T]]
) -> AsyncGenerator[T, None]:
    """Hand on what `advance` gives, inside an operation that the consumer's task has entered."""
    partial.began = True
    advance = _looking(operation, advance)
    try:
        while True:
            try:
                item = await advance()
            except StopAsyncIteration:
                partial.completed = True
                return
            yield item
    finally:
        await close_iterator(iterator, operation)


async def drive_steps(
    iterator: AsyncIterator[T], partial: PartialResult, operation: Cancelable, advance: Callable[[], Awaitable[T]]
) -> AsyncGenerator[T, None]:
    """Hand on what `advance` gives, with an operation of the stream's own around each step."""
    partial.began = True
    advance = _looking(operation, advance)
    try:
        while True:
            try:
                item = await step(operation, advance)
            except StopAsyncIteration:
                partial.completed = operation.is_completed
                return
            yield item
    finally:
        if entered_here(operation):  # its scope could not be closed, since the source has one open inside it
            await _close_inside(iterator, operation, sys.exc_info()[1])
        else:
            await end_steps(operation, bind(_close, bind(close_iterator, iterator, operation)))


async def _close_inside(iterator: AsyncIterator[Any], operation: Cancelable, error: BaseException | None) -> None:
    """Close a source that holds a scope open, with no other scope around it than the operation's; leave that then."""
    try:
        if isinstance(iterator, AsyncGenerator):
            await _close(iterator.aclose)
    finally:
        await operation.__aexit__(None if error is None else type(error), error, None)
        del error  # or it would find itself in this frame


async def _close(close: Callable[[], Awaitable[None]]) -> None:
    """Close a source; a task group in it may give back in a group what has closed it, which is no error."""
    try:
        await close()
    except BaseExceptionGroup as group:
        if group.split(GeneratorExit)[1] is not None:
            raise


def _looking(operation: Cancelable, advance: Callable[[], Awaitable[T]]) -> Callable[[], Awaitable[T]]:
    """Return a function that looks for a cancellation, lets others run at times, and awaits as `advance` does."""
    count = 0

    async def looked() -> T:
        nonlocal count
        count += 1
        if count % TURN == 0:
            await checkpoint()
        await operation.check_cancelation()
        return await advance()

    return looked
