"""Telling people how far a stream has got."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import anyio

from hother.cancelable import Cancelable
from hother.cancelable.core import logger, native_cancel_requests, postponed

from .partial import PartialResult

T = TypeVar("T")

ProgressFunction = Callable[[int, Any], object]
"""Called with the number of items so far and the latest one; sync or async."""

CALLBACK_TIMEOUT = 5.0
"""How long an async callback may take, in seconds. It is protected meanwhile, since its item is not handed out yet."""


class Reporter:
    """Counts, keeps and reports the items of a stream."""

    def __init__(self, partial: PartialResult, interval: int | None, on_progress: ProgressFunction | None) -> None:
        self._partial = partial
        self._interval = interval
        self._on_progress = on_progress

    def around(self, advance: Callable[[], Awaitable[T]], operation: Cancelable) -> Callable[[], Awaitable[T]]:
        """Return a function that awaits as `advance` does, and reports what came."""

        async def reported() -> T:
            item = await advance()
            self._partial.add(item)
            if self._partial.count % (self._interval or 1) == 0:
                await self._report(item, operation)
            return item

        return reported

    async def _report(self, item: Any, operation: Cancelable) -> None:
        count = self._partial.count
        if self._interval is not None:
            await _protected(operation.report_progress(f"{count} items", {"count": count}))
        if self._on_progress is not None:
            try:
                answer = self._on_progress(count, item)
                if inspect.isawaitable(answer):
                    await _protected(answer)
            except (Exception, asyncio.CancelledError):  # a native cancel of this task does not get here
                logger.exception("on_progress %r of a stream failed", self._on_progress)


async def _protected(awaitable: Awaitable[object]) -> None:
    """Await a callback; what interrupts it meanwhile must not lose the item, so it is left to the next wait."""
    before = native_cancel_requests()
    limit = anyio.move_on_after(CALLBACK_TIMEOUT, shield=True)
    try:
        with limit:
            await awaitable
    except asyncio.CancelledError as error:
        if not postponed(error, before):
            raise
    if limit.cancelled_caught:
        logger.warning("a progress callback of a stream was cut off after %g s", CALLBACK_TIMEOUT)
