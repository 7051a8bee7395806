"""Collecting the items of chunks, in the consumer's task or, where time matters, in one beside it."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from typing import Generic, NoReturn, TypeVar

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
        fatal = self._end is not None and not isinstance(self._end, Exception)
        if fatal or not self.collected:
            self._raise_end()
        return self._take()

    async def aclose(self) -> None:
        """Close the source."""
        iterator = self._stream if self._iterator is None else self._iterator
        if isinstance(iterator, AsyncIterator):
            await close_iterator(iterator)

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
        except StopAsyncIteration:
            self._end = StopAsyncIteration()
        except Exception as end:
            self._end = end
        else:
            self.collected.append(item)

    def _take(self) -> list[T]:
        chunk, self.collected = self.collected, []
        return chunk

    def _raise_end(self) -> NoReturn:
        assert self._end is not None
        end, self._end = self._end, StopAsyncIteration()  # kept, it would find itself in its frames
        try:
            raise end
        finally:
            del end


class TimedCollector(Collector[T]):
    """Collects in a task beside the consumer, so that a chunk can be handed out while an item is on its way."""

    _scope: anyio.CancelScope
    _came: anyio.Event
    _taken: anyio.Event
    _ended: anyio.Event

    def __init__(self, stream: AsyncIterable[T], size: int, max_wait: float) -> None:
        super().__init__(stream, size)
        self._max_wait = max_wait
        self._since = 0.0
        self._task: TaskBeside | None = None

    async def aclose(self) -> None:
        """Stop the task, which closes the source."""
        if self._task is None:
            await super().aclose()
            return
        self._end = StopAsyncIteration()  # nothing more is wanted; what fails from here on is the clean-up
        self._scope.cancel()  # unlike a cancel of the task, this never hits a task that has just been given an item
        try:
            await self._ended.wait()
        finally:
            await self._task.stop()
        if not isinstance(self._end, (StopAsyncIteration, anyio.get_cancelled_exc_class())):
            self._raise_end()

    async def _collect(self) -> None:
        if self._task is None:
            self._start()
        while not self.collected and self._end is None:
            await self._next_event()
        with anyio.CancelScope(deadline=self._since + self._max_wait):
            while len(self.collected) < self._size and self._end is None:
                await self._next_event()

    async def _next_event(self) -> None:
        await self._came.wait()
        self._came = anyio.Event()

    def _start(self) -> None:
        self._scope = anyio.CancelScope()
        self._came, self._taken, self._ended = anyio.Event(), anyio.Event(), anyio.Event()
        self._task = start_beside(current_loop(), self._run, "collect the items of a stream")

    async def _run(self) -> None:
        """Read the source and close it, in one task: its scopes and context variables belong to that."""
        try:
            with self._scope:
                await self._fill()
        except BaseException as end:  # the consumer gets it: nobody else would
            self._end = end
        self._came.set()
        try:
            await super().aclose()
        except BaseException as error:
            self._end = error
        finally:
            self._came.set()
            self._ended.set()

    async def _fill(self) -> None:
        while self._end is None:
            await self._fetch()
            if len(self.collected) == 1:
                self._since = anyio.current_time()
            self._came.set()
            while len(self.collected) >= self._size:
                await self._taken.wait()
                self._taken = anyio.Event()

    def _take(self) -> list[T]:
        chunk = super()._take()
        self._taken.set()
        return chunk
