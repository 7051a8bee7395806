"""Following what happens, on an event loop and in a thread."""

from __future__ import annotations

import functools
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from typing import Final, Self

import anyio
from anyio import to_thread
from anyio.lowlevel import checkpoint

from hother.cancelable.core import require

from .backend import Backend
from .engine import Engine
from .errors import BackendUnavailable
from .feed import Feed
from .records import Event

ROUND: Final = 1.0
"""How long a shared store is asked to wait for news at a time, in seconds."""
PAUSE: Final = 1.0
"""How long to wait, in seconds, before a store is asked again that could not be reached."""


class EventFeed(AsyncIterator[Event]):
    """What happens, for `async for`; nothing is held open between two events.

    Begins where it was made; with a shared store, where it was first iterated.
    """

    def __init__(self, engine: Engine, after: str | None) -> None:
        self._feed = engine.tracker.feed
        self._backend: Backend | None = engine.backend
        if after is None and self._backend is None:
            after = self._feed.begin()
        elif after is not None:
            check_position(self._feed, self._backend, after)
        self._position = after
        self._waiting: deque[Event] = deque()
        self._limiter: anyio.CapacityLimiter | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        await checkpoint()
        while not self._waiting:
            if self._backend is None:
                self._waiting.extend(await self._feed.wait(self._position or "0"))
            else:
                self._waiting.extend(await self._ask(self._backend))
        event = self._waiting.popleft()
        self._position = event.id
        return event

    async def _ask(self, backend: Backend) -> list[Event]:
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(1)  # many readers wait long, and take no thread of anybody else
        ask = functools.partial(to_thread.run_sync, limiter=self._limiter, abandon_on_cancel=True)
        try:
            if self._position is None:
                self._position = await ask(backend.position)
            return await ask(backend.events, self._position, ROUND)
        except BackendUnavailable:
            await anyio.sleep(PAUSE)
            return []


class BlockingEventFeed(Iterator[Event]):
    """What happens, for `for`, in a thread. Ends when nothing has happened for the time that was given.

    Raises:
        BackendUnavailable: If the shared store cannot be reached.
    """

    def __init__(self, engine: Engine, after: str | None, timeout: float | None) -> None:
        self._feed = engine.tracker.feed
        self._backend: Backend | None = engine.backend
        if after is not None:
            check_position(self._feed, self._backend, after)
        begin = self._feed.begin if self._backend is None else self._backend.position
        self._position: str = begin() if after is None else after
        self._timeout = timeout
        self._waiting: deque[Event] = deque()

    def __next__(self) -> Event:
        if not self._waiting:
            self._waiting.extend(self._ask())
        if not self._waiting:
            raise StopIteration
        event = self._waiting.popleft()
        self._position = event.id
        return event

    def _ask(self) -> list[Event]:
        if self._backend is None:
            return self._feed.wait_sync(self._position, self._timeout)
        until = math.inf if self._timeout is None else time.monotonic() + self._timeout
        while True:
            left = until - time.monotonic()
            events = self._backend.events(self._position, max(min(ROUND, left), 0.0))
            if events or left <= ROUND:
                return events


def check_position(feed: Feed, backend: Backend | None, after: object) -> None:
    """Refuse what can be no id of an event.

    Raises:
        TypeError: If it is no string.
        ValueError: If it is none of this process's feed, where there is no shared store.
    """
    require(str, after, "after", "the id of an event")
    if backend is None:
        feed.after(str(after))
