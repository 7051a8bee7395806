"""One run of a function, cancelled at one of its suspension points."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from typing import Any, cast

import anyio

from hother.cancelable.core import CancelationError, CancelationReason, current_backend, native_cancel_requests

from .children import end_all, following, mark
from .driving import Abandoned, Driven
from .leftovers import changed_variables
from .places import Place, place_of, place_of_error
from .ways import MARK, Cancel, Way, absorb_requests, cancellable

PATIENCE = 5.0
"""How much longer than usual a run may take to come to its point, in seconds, however short the limit is."""

Call = Callable[[], Coroutine[Any, Any, Any]]


class Run:
    """Runs a function once and notes what it does.

    Args:
        way: How to cancel it; None for a clean run.
        point: At which of its suspensions.
        usual: How long a run takes that nobody cancels, in seconds; it is given up if it takes much longer without
            having come to its point.
    """

    def __init__(self, way: Way | None = None, point: int = 0, usual: float = math.inf) -> None:
        self.way = way
        self.point = point
        self.seconds: float = usual
        self.patience: float = usual
        self.points: int = 0
        self.place: Place | None = None
        self.in_child: bool = False
        self.cancelled: bool = False
        self.delivered: bool = False
        self.postponed: bool = False
        self.returned: bool = False
        self.ended: bool = False
        self.abandoned: bool = False
        self.error: str | None = None
        self.raised: BaseException | None = None
        self.error_type: type[BaseException] | None = None
        self.error_place: Place | None = None
        self.stuck_at: Place | None = None
        self.variables: list[str] = []
        self.lost_requests: int = 0
        self._again = False
        self._cancel: Cancel = _idle
        self._says = ""
        self._news = anyio.Event()
        self._until = 0.0
        self._own: Driven[Any] | None = None
        self._task: Any = None

    async def run(self, call: Call, limit: float) -> None:
        """Run the function; give it up if it has not ended so many seconds after it was cancelled."""
        self._until = limit
        self.patience = 2 * self.seconds + max(limit, PATIENCE)
        started = anyio.current_time()
        with following(self) as living:
            async with anyio.create_task_group() as group:
                group.start_soon(self._work, call, name=MARK)
                await self._wait(self.patience)
                if self.cancelled and not self.ended:
                    self._news = anyio.Event()
                    await self._wait(limit)
                if not self.ended:
                    self.stuck_at = place_of(self._own)
                    self.abandoned = True
                    await end_all(lambda: [self._task, *living()], group)
        self.seconds = anyio.current_time() - started

    async def _wait(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            await self._news.wait()

    def suspended(self, coroutine: object) -> None:
        """Count a suspension point of the function, and cancel it where that is due."""
        self.points += 1
        if self.points == self.point:
            self.cancelled = True
            self._until += time.monotonic()
            self.place, self.in_child = place_of(coroutine), coroutine is not self._own
            self._news.set()
            self._says = self._cancel()
        elif self.way is Way.TWICE and self.delivered and not self._again:
            self._again = True
            self._cancel()
        elif self.cancelled and time.monotonic() > self._until:
            self._news.set()  # it goes round in circles, in which a virtual clock stands still

    def threw(self, coroutine: object, error: BaseException) -> None:
        """Note that the cancellation has come in."""
        if self.cancelled and coroutine is self._own and self._is_ours(error):
            self.delivered = True

    async def _work(self, call: Call) -> None:
        mark(self)
        self._task = current_backend()[2]
        requests = native_cancel_requests()
        try:
            async with cancellable(self.way) as self._cancel:
                await self._call(call, copy_context())
        except Abandoned:
            pass
        except asyncio.CancelledError:
            if not (self.cancelled and self.way in (Way.NATIVE, Way.TWICE)):
                raise
        except BaseException as error:
            if not isinstance(error, (Exception, BaseExceptionGroup)):
                raise
        finally:
            self._cancel = _idle
            expected = 0 if self.way not in (Way.NATIVE, Way.TWICE) else self.cancelled + self._again
            self.lost_requests = requests + expected - native_cancel_requests() if _on_asyncio() else 0
            self.postponed = await absorb_requests()
            self.ended = True
            self._news.set()

    async def _call(self, call: Call, before: Context) -> None:
        self._own = Driven(call(), self)
        try:
            await self._own
        except BaseException as error:
            self._note(error)
            raise
        else:
            self.returned = True
        finally:
            self.variables = changed_variables(before)

    def _is_ours(self, error: BaseException) -> bool:
        """Tell the cancellation of the kit from one of a scope or a timeout of the function."""
        if not isinstance(error, anyio.get_cancelled_exc_class()):
            return False
        text: str = getattr(error, "reason", None) or str(error)  # trio's own attribute; asyncio has a text at most
        return text.endswith(self._says) or (not text and self.way in (Way.NATIVE, Way.TWICE))

    def _note(self, error: BaseException) -> None:
        if not self.cancelled:
            self.raised = error
        if not self.cancelled or not _is_cancellation(error):
            self.error, self.error_type = f"{type(error).__name__}: {error}", type(error)
            self.error_place = place_of_error(error.__traceback__)


def _on_asyncio() -> bool:
    try:
        return asyncio.current_task() is not None
    except RuntimeError:
        return False


def _idle() -> str:
    return ""


def _is_cancellation(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return all(_is_cancellation(each) for each in group.exceptions)
    if isinstance(error, CancelationError):
        context = error.context
        return error.reason is CancelationReason.PARENT or (context is not None and context.name == MARK)
    return isinstance(error, (anyio.get_cancelled_exc_class(), Abandoned))
