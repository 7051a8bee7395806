"""Sources that give their items when a test says so, and notes of what became of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import TypeVar

import anyio
import anyio.lowlevel

from hother.cancelable.streams import CancelableAsyncIterator

T = TypeVar("T")


async def paced(*items: tuple[float, T], log: list[str] | None = None) -> AsyncGenerator[T, None]:
    """Yield items, each after so many seconds; note in `log` when this is closed."""
    try:
        for seconds, item in items:
            await anyio.sleep(seconds)
            yield item
    finally:
        if log is not None:
            log.append("closed")


async def counting(to: int, log: list[int] | None = None) -> AsyncGenerator[int, None]:
    """Count, noting in `log` each number that is asked for."""
    for number in range(to):
        if log is not None:
            log.append(number)
        await anyio.lowlevel.checkpoint()
        yield number


async def failing(*items: T, error: BaseException) -> AsyncGenerator[T, None]:
    """Yield items, then raise."""
    for item in items:
        await anyio.lowlevel.checkpoint()
        yield item
    raise error


class Stubborn:
    """Yields the letters of a text; the first wait for each goes on for ever, and a cancellation of it is swallowed."""

    def __init__(self, text: str) -> None:
        self.letters = list(text)

    def __aiter__(self) -> Stubborn:
        return self

    async def __anext__(self) -> str:
        if not self.letters:
            raise StopAsyncIteration
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            pass
        return self.letters.pop(0)


def has_task_beside() -> bool:
    """Tell whether a task of chunks runs on this loop."""
    try:
        tasks = {task.get_name() for task in asyncio.all_tasks()}
    except RuntimeError:
        import trio

        root = trio.lowlevel.current_root_task()
        assert root is not None
        tasks = {task.name for nursery in root.child_nurseries for task in nursery.child_tasks}
    return "collect the items of a stream" in tasks


class Consumer:
    """Takes what a stream gives."""

    def __init__(self, stream: CancelableAsyncIterator[int]) -> None:
        self.stream = stream
        self.items: list[int] = []

    async def run(self) -> None:
        """Take everything."""
        async with self.stream:
            async for item in self.stream:
                self.items.append(item)
