"""Collecting the items of chunks, in the consumer's task or, where time matters, in one beside it."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from typing import Generic, TypeVar

import anyio

from hother.cancelable.core import TaskBeside, current_loop, start_beside

from .iterating import close_iterator

T = TypeVar("T")


class Collector(AsyncIterator[list[T]], Generic[T]):
    """Collects items until there are enough for a chunk."""

    def __init__(self, stream: AsyncIterable[T], size: int) -> None:
        self.collected: list[T] = []
        self._stream = stream
        self._size = size
        self._iterator: AsyncIterator[T] | None = None
        self._end: BaseException | None = None

    async def __anext__(self) -> list[T]:
        await self._collect()
        if self.collected:
            return self._take()
        assert self._end is not None
        raise self._end

    async def aclose(self) -> None:
        """Close the source."""
        if self._iterator is not None:
            await close_iterator(self._iterator)

    async def _collect(self) -> None:
        """Wait until there is a chunk to hand out, or the source has ended."""
        while len(self.collected) < self._size and self._end is None:
            await self._fetch()

    async def _fetch(self) -> None:
        """Wait for an item, or note how the source has ended."""
        if self._iterator is None:
            self._iterator = aiter(self._stream)
        try:
            item = await self._iterator.__anext__()
        except Exception as end:  # StopAsyncIteration among them
            self._end = end
        else:
            self.collected.append(item)

    def _take(self) -> list[T]:
        chunk, self.collected = self.collected, []
        return chunk


class TimedCollector(Collector[T]):
    """Collects in a task beside the consumer, so that a chunk can be handed out while an item is on its way."""

    def __init__(self, stream: AsyncIterable[T], size: int, max_wait: float) -> None:
        super().__init__(stream, size)
        self._max_wait = max_wait
        self._since = 0.0
        self._task: TaskBeside | None = None
        self._came = anyio.Event()
        self._taken = anyio.Event()

    async def aclose(self) -> None:
        """Stop the task and close the source."""
        if self._task is not None:
            await self._task.stop()
        await super().aclose()

    async def _collect(self) -> None:
        if self._task is None:
            self._task = start_beside(current_loop(), self._run, "collect the items of a stream")
        while not self.collected and self._end is None:
            await self._next_event()
        with anyio.CancelScope(deadline=self._since + self._max_wait):
            while len(self.collected) < self._size and self._end is None:
                await self._next_event()

    async def _next_event(self) -> None:
        await self._came.wait()
        self._came = anyio.Event()

    async def _run(self) -> None:
        try:
            while self._end is None:
                await self._fetch()
                if len(self.collected) == 1:
                    self._since = anyio.current_time()
                self._came.set()
                while len(self.collected) >= self._size:
                    await self._taken.wait()
                    self._taken = anyio.Event()
        except BaseException as end:
            self._end = end
            self._came.set()
            raise

    def _take(self) -> list[T]:
        chunk = super()._take()
        self._taken.set()
        return chunk
