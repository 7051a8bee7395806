"""Pulling items out of a source that is told of interruptions, and closed at the end with its awaited clean-up.

Cancellation in anyio is a state: in a scope that is cancelled every further wait is interrupted, those of a clean-up,
too. A scope that protects the clean-up must lie outside those that the source holds open across its `yield`, so it is
opened before the source starts, and protects from when the source is told.
"""

from __future__ import annotations

import inspect
import math
import types
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Coroutine, Generator
from contextlib import asynccontextmanager
from typing import Any, Final, cast

import anyio
from anyio.lowlevel import checkpoint

from hother.cancelable import CancelationError
from hother.cancelable.core import logger

CLEANUP_TIMEOUT: Final = 30.0
"""How long a source may take to clean up, in seconds."""


class Source:
    """An iterator whose items are pulled, and whose scopes stay open, in one task.

    Args:
        iterator: What gives the items.
    """

    def __init__(self, iterator: AsyncIterator[Any]) -> None:
        self.scope: anyio.CancelScope = anyio.CancelScope()
        self._interrupted = False
        self._interruption: BaseException | None = None
        self._iterator = iterator

    async def pull(self) -> Any:
        """Return the next item.

        Raises:
            StopAsyncIteration: At the end of the source.
        """
        try:
            item = await self._step()
        except StopAsyncIteration:
            if self._interrupted:  # the source took an interruption for its end, also if it was not its own
                self._expose()
                await checkpoint()
            raise
        if self._interrupted:  # it took it for nothing, so it is interrupted again if that was meant for it
            self._interrupted = False
            self._expose()
        return item

    async def _step(self) -> Any:
        interruption, self._interruption = self._interruption, None
        if interruption is None:
            step = self._iterator.__anext__()
        else:
            self._interrupted = True
            step = cast("AsyncGenerator[Any, None]", self._iterator).athrow(interruption)
            del interruption
        try:
            if isinstance(step, Coroutine):  # all that can be cleaning up
                return await self._watched(cast("Any", step))
            return await step
        finally:
            del step  # it holds what was thrown, which would find itself in this frame

    @types.coroutine
    def _watched(self, step: Coroutine[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """Await a step; once a cancellation was delivered to it, protect its further waits if it came from outside.

        Not in the moment of the delivery: a checkpoint of trio opens a scope for it, which would take it for its own.
        """
        cancelled = anyio.get_cancelled_exc_class()
        sent: Any = None
        try:
            waits_for = step.send(None)
            while True:
                if self._interrupted:
                    self._protect_from_outside()
                try:
                    sent = yield waits_for
                except GeneratorExit:
                    step.close()
                    raise
                except BaseException as error:  # asyncio throws
                    self._interrupted = self._interrupted or isinstance(error, cancelled)
                    waits_for = step.throw(error)
                else:
                    if isinstance(getattr(sent, "error", None), cancelled):  # trio sends an outcome
                        self._interrupted = True
                    waits_for = step.send(sent)
        except StopIteration as end:
            return end.value
        finally:
            del step, sent  # they hold what was thrown

    def interrupt(self, interruption: BaseException) -> None:
        """Have a cancellation that came between two items raised where the source has yielded the last one.

        It may come from a scope that the source has open there, and then only the source can deal with it.

        Raises:
            BaseException: The interruption, where the source cannot be told.
        """
        try:
            if not inspect.isasyncgen(self._iterator) or isinstance(interruption, CancelationError):
                raise interruption
            self._interruption = interruption
        finally:
            del interruption  # or it would find itself in this frame

    def _protect_from_outside(self) -> None:
        """Protect the source that was interrupted, unless it was by a scope of its own, which it may still be in."""
        if self.scope.shield:
            return
        if not _is_cancelled():
            self._interrupted = False
            return
        self.protect()
        if _is_cancelled():
            self._expose()

    def protect(self) -> None:
        """Let no further interruption reach the source, for a while."""
        if not self.scope.shield:
            self.scope.shield = True
            self.scope.deadline = anyio.current_time() + CLEANUP_TIMEOUT

    def _expose(self) -> None:
        self.scope.shield = False
        self.scope.deadline = math.inf

    async def close(self) -> None:
        """Close the iterator, if it can be closed."""
        close: Callable[[], Awaitable[object]] | None = getattr(self._iterator, "aclose", None)
        if close is None:
            return
        try:
            await close()
        except BaseExceptionGroup as group:  # a task group in the source may give back so what has closed it
            if group.split(GeneratorExit)[1] is not None:  # pyright: ignore[reportUnknownMemberType]
                raise


@asynccontextmanager
async def pulling(items: AsyncIterable[Any]) -> AsyncGenerator[Source]:
    """Iterate a source in the current task; leaving the block closes it."""
    source = Source(aiter(items))
    failure: BaseException | None = None
    try:
        with source.scope:
            try:
                yield source
            except BaseException as error:
                failure = error
                raise
            finally:
                source.protect()
                await source.close()
        if failure is not None:  # the scope took what cut off the clean-up
            raise failure
    finally:
        if source.scope.cancel_called:
            logger.warning("the clean-up of the stream %r was cut off after %g s", items, CLEANUP_TIMEOUT)
        del failure


def _is_cancelled() -> bool:
    return anyio.current_effective_deadline() == -math.inf
