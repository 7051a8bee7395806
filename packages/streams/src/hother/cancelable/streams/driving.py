"""The three ways to drive a stream; none holds a scope or a context variable while the consumer has an item.

A scope that is open across a `yield` interrupts the wrong code (https://peps.python.org/pep-0789/).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from functools import partial as bind
from typing import TypeVar

from anyio.lowlevel import checkpoint

from hother.cancelable import Cancelable, CancelationToken
from hother.cancelable.core import end_steps, step

from .iterating import close_iterator
from .partial import PartialResult

T = TypeVar("T")

TURN = 1000
"""After so many items a stream lets others run, even if its source never waits, so that it can be cancelled."""


async def drive_bare(
    iterator: AsyncIterator[T], partial: PartialResult, operation: Cancelable
) -> AsyncGenerator[T, None]:
    """Hand on what comes, inside an operation that the consumer's task has entered. The path that has to be fast."""
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
        await end_steps(operation, bind(close_iterator, iterator, operation))


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
