"""What the tests of several modules use."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from hother.cancelable import Cancelable, CancelationToken, cancelable_stream, current_operation
from hother.cancelable.streams import CancelableAsyncIterator

MakeStream = Callable[[AsyncIterable[int]], CancelableAsyncIterator[int]]

EVER = 10**9

WAYS = ["inside", "inside, buffered", "alone", "with limits", "with a token", "not entered"]
"""How a stream can stand to an operation, which is also the three ways to drive it."""

every_way = pytest.mark.parametrize("way", WAYS)


@asynccontextmanager
async def stream_maker(way: str) -> AsyncGenerator[MakeStream, None]:
    """Give a function that makes a stream in one of the ways."""
    if way.startswith("inside"):
        async with Cancelable(name="given") as given:
            yield partial(cancelable_stream, cancelable=given, buffer_partial=way == "inside, buffered")
        return
    options: dict[str, Callable[[], dict[str, Any]]] = {
        "alone": dict,
        "with limits": lambda: {"timeout": 3000, "item_timeout": 500},
        "with a token": lambda: {"token": CancelationToken()},
        "not entered": lambda: {"cancelable": Cancelable(name="given")},
    }
    yield lambda stream: cancelable_stream(stream, **options[way]())


async def count(to: int = EVER) -> AsyncGenerator[int, None]:
    """Count, with a checkpoint before each number."""
    for number in range(to):
        await checkpoint()
        yield number


async def count_at_once(to: int = EVER) -> AsyncGenerator[int, None]:
    """Count without ever waiting."""
    for number in range(to):
        yield number


async def every(seconds: float, to: int = EVER) -> AsyncGenerator[int, None]:
    """Count, with a wait before each number."""
    for number in range(to):
        await anyio.sleep(seconds)
        yield number


class Source:
    """Makes a generator that counts, and notes how it ends: its clean-up waits, so only a closer that waits sees it."""

    def __init__(self, to: int = EVER, cleanup: float = 0.0) -> None:
        self.log: list[str] = []
        self.operations: list[Cancelable | None] = []
        self.asked = anyio.Event()
        self.release = anyio.Event()
        self._to = to
        self._cleanup = cleanup

    async def __call__(self, hold_at: int | None = None) -> AsyncGenerator[int, None]:
        """Count; at one number wait until `release` is set."""
        try:
            for number in range(self._to):
                self.operations.append(current_operation())
                if number == hold_at:
                    self.asked.set()
                    await self.release.wait()
                await checkpoint()
                yield number
            self.log.append("end")
        except BaseException as error:
            self.log.append("cancelled" if isinstance(error, anyio.get_cancelled_exc_class()) else type(error).__name__)
            raise
        finally:
            await anyio.sleep(self._cleanup)
            self.log.append("closed")


async def settle() -> None:
    """Let everything run that can run, also what the loop was told to start soon."""
    for _ in range(5):
        await checkpoint()
    await anyio.wait_all_tasks_blocked()
