"""The feed of events in this process: read from any loop or thread, and never waited for by operations."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

import anyio

from hother.cancelable.core import current_loop, post

from .records import Event, EventKind, OperationRecord
from .waiting import Flag

KEPT: Final = 10_000
"""How many events are kept for readers that come back."""


class Feed:
    """Keeps the latest events, from the first time that somebody has read, and wakes those who wait for more."""

    def __init__(self) -> None:
        self.is_read: bool = False
        """Whether anybody has ever read; before, nothing is kept."""
        self._events: list[Event] = []
        self._dropped = 0
        self._trimming = threading.Lock()
        self._wakers: dict[object, Callable[[], object]] = {}

    def publish(self, kind: EventKind, record: OperationRecord) -> None:
        """Add an event, from any thread or signal handler."""
        if not self.is_read:
            return
        self._events.append(Event("", kind, time.time(), record, record.worker))
        if len(self._events) > 2 * KEPT and self._trimming.acquire(blocking=False):
            excess = len(self._events) - KEPT
            del self._events[:excess]
            self._dropped += excess
            self._trimming.release()
        for waker in list(self._wakers):
            if (wake := self._wakers.pop(waker, None)) is not None:
                wake()

    def begin(self) -> str:
        """Begin to keep events; return where the feed stands."""
        self.is_read = True
        with self._trimming:
            return str(self._dropped + len(self._events))

    def after(self, position: str) -> list[Event]:
        """Return what has come after a position; only `MISSED` where that is kept no more.

        Raises:
            ValueError: If there is no such position.
        """
        try:
            wanted = int(position)
        except ValueError:
            raise ValueError(f"{position!r} is no id of an event; begin with after=None") from None
        self.is_read = True
        with self._trimming:
            last = self._dropped + len(self._events)
            if not self._dropped <= wanted <= last:
                return [Event(str(last), EventKind.MISSED, time.time())]
            new = self._events[wanted - self._dropped :]
        return [event._replace(id=str(number)) for number, event in enumerate(new, wanted + 1)]

    async def wait(self, position: str) -> list[Event]:
        """Wait until something has come after a position."""
        loop = current_loop()
        while not (events := self.after(position)):
            news, me = anyio.Event(), object()
            self._wakers[me] = lambda news=news: post(loop, news.set)  # type: ignore[misc]
            try:
                if not self.after(position):
                    await news.wait()
            finally:
                self._wakers.pop(me, None)
        return events

    def wait_sync(self, position: str, timeout: float | None) -> list[Event]:
        """Wait in a thread until something has come, so many seconds at most; an empty list then."""
        news, me = Flag(), object()
        self._wakers[me] = news.set
        try:
            if not (events := self.after(position)) and news.wait(timeout):
                events = self.after(position)
            return events
        finally:
            self._wakers.pop(me, None)
