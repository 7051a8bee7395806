"""Entering and leaving an operation: what interrupts its body, and when it has ended."""

from __future__ import annotations

import asyncio
import math
import sys
import time
from types import TracebackType
from typing import NoReturn, Self

import anyio

from .backend import current_backend, running_backend
from .callbacks import call_all
from .cause import Cause
from .current import current
from .leaving import judge, leave, text_of
from .listening import Listening
from .log import logger
from .observer import notify
from .parents import cancelled_above, link_to_ancestors, may_enclose, place_under, tell_children
from .reason import CANCELLED, COMPLETED, FAILED, PENDING, RUNNING, OperationStatus
from .sourcing import RunningSources
from .token import SEALED
from .waiting import wake_all


class Lifecycle(Listening):
    """An operation as a context manager."""

    __slots__ = ()

    async def __aenter__(self) -> Self:
        if self._status is not PENDING:
            raise RuntimeError(f"{self._label()} was entered before; an operation runs once, so make a new one")
        backend, loop, task = running_backend() or current_backend()
        if task is None:
            raise RuntimeError(f"{self._label()} must be entered in a task, not in a callback of the event loop")
        self._backend, self._loop, self._task = backend, loop, task
        above = current.get()
        if above is not None and not self._detached:
            place_under(self, above)
        self._wall_time = time.time()
        self._started_at = backend.now(loop)
        if self._timeout is not None:
            self._deadline = self._started_at + self._timeout
        self._status = RUNNING  # last: other threads read what was set above
        self._scope = scope = backend.new_scope()
        scope.__enter__()
        self._previous = current.set(self)
        if self._observers:
            notify(self, "operation_started")
        facts = self._token._facts
        facts["operation"] = self
        if self._tokens or self._parent is not None or len(facts) > 1 + ("operation id" in facts):
            self._connect()
        if self._timeout is not None:
            self._set_deadline(self._deadline)
        if self._sources or self._callbacks is not None:
            await self._begin()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        scope = self._scope
        if scope is None or self._status is not RUNNING or self._backend.task_on(self._loop) is not self._task:
            await self._refuse_exit()
        body_raised = exc
        if self._running_sources is not None:
            exc_type, exc, traceback = await self._after_sources(exc_type, exc, traceback)
        outer = None if exc is None or self._parent is None else cancelled_above(self)
        leaving = exc
        try:
            caught = scope.__exit__(exc_type, exc, traceback)
        except BaseException as rest:  # what is left of an exception group without the cancellations
            caught, leaving = False, await self._not_from_elsewhere(rest)
        self._disconnect()
        current.reset(self._previous)
        del self._previous  # it holds the whole context of the task
        task, self._scope, self._task = self._task, None, None
        facts = self._token._facts  # what follows is `_seal`, `_end` and `_mark_left`, without a call
        cause: Cause = facts.setdefault("cause", SEALED)
        requested = None if cause is SEALED else cause
        own = caught and leaving is not None and requested is not None
        if own or leaving is None:
            self._status, self._outcome = CANCELLED if own else COMPLETED, requested
            self._ended_at = self._backend.now(self._loop)
            if "context" in facts:
                self._refresh()
        else:
            own = self._conclude(leaving, requested, outer)
        try:
            if self._observers:
                notify(self, "operation_ended")
            if self._callbacks is not None:
                await self._finish(leaving)
        finally:
            facts["left"] = True
            if "waiters" in facts:
                wake_all(facts["waiters"])
        if leaving is None or (own and self._move_on):
            return own
        try:
            return leave(self, task, requested if own else None, body_raised, leaving)
        finally:
            del body_raised, exc, leaving, task, traceback  # or the exception would find itself in this frame

    async def _suspend(self) -> None:
        """Close the scope between two steps: what happens until `_resume` is told then."""
        try:
            if self._running_sources is not None:
                await self._running_sources.stop_tasks()
        finally:
            scope, self._scope = self._scope, None
            if scope is not None:
                try:
                    scope.__exit__(None, None, None)
                except RuntimeError as error:
                    if isinstance(self._loop, asyncio.AbstractEventLoop):
                        self._scope = scope  # still open: it can be closed after the one inside it
                    raise RuntimeError(
                        f"the source of {self._label()} holds a cancel scope or task group open across its `yield`; "
                        "iterate it inside an operation that you have entered, without limits, or in chunks with "
                        "max_wait"
                    ) from error
                finally:
                    if self._scope is None:
                        current.reset(self._previous)

    async def _resume(self) -> None:
        """Open a scope for the next step, in whichever task takes it."""
        self._task = self._backend.current_task()
        self._scope = scope = anyio.CancelScope()
        scope.__enter__()
        self._previous = current.set(self)
        if self._parent is not None and not self._links and not may_enclose(self._parent, self):
            link_to_ancestors(self)  # taken over by a task that the parent's scope may not enclose
        if (cause := self._token.cause) is not None:
            scope.cancel(cause.message)
        elif self._timeout is not None:
            self._set_deadline(self._deadline)
        if self._running_sources is not None:
            try:
                await self._running_sources.start_tasks()
            except BaseException:
                await self._suspend()
                raise

    async def _refuse_exit(self) -> NoReturn:
        if self._scope is None:
            state = "was not entered" if self._status is PENDING else "was left before"
            raise RuntimeError(f"{self._label()} {state}")
        if self._backend.current_task() is not self._task:
            self._abandon()
            self._error = "RuntimeError: left in another task"
            self._end(FAILED, self._token._seal())
            if self._observers:
                notify(self, "operation_ended")
            self._mark_left()
        else:  # back in its own task, which alone can close what it has opened
            await self._after_sources(None, None, None)
            await self._suspend()
            self._task = None
        raise RuntimeError(
            f"{self._label()} was left in another task than the one that entered it; keep `async with` within one "
            "task, and close an async generator that holds an operation where it is iterated"
        )

    async def _not_from_elsewhere(self, leaving: BaseException | None) -> BaseException | None:
        """Return what leaves the body, unless another thread does while the operation's loop runs the right task."""
        if self._backend.current_task() is not self._task:
            await self._refuse_exit()
        return leaving

    async def _after_sources(
        self, *leaving: *tuple[type[BaseException] | None, BaseException | None, TracebackType | None]
    ) -> tuple[type[BaseException] | None, BaseException | None, TracebackType | None]:
        """Stop the sources; return what leaves the body then, which is a cancellation if one came meanwhile."""
        await self._not_from_elsewhere(None)
        try:
            await self._stop_sources()
        except BaseException as error:
            leaving = type(error), error, error.__traceback__
        self._running_sources = None
        return leaving

    async def _stop_sources(self) -> None:
        if self._running_sources is not None:
            await self._running_sources.stop()

    def _conclude(self, leaving: BaseException, requested: Cause | None, outer: Cause | None) -> bool:
        """Note how it has ended; return whether a request to this very operation has interrupted its body."""
        status, cause, own = judge(self, leaving, requested, outer)
        self._error = text_of(leaving) if status is FAILED else None
        self._end(status, cause)
        if status is CANCELLED and not own:
            tell_children(self)
        return own

    def _end(self, status: OperationStatus, cause: Cause | None) -> None:
        self._status, self._outcome = status, cause
        self._ended_at = self._backend.now(self._loop)
        if "context" in self._token._facts:
            self._refresh()

    def _mark_left(self) -> None:
        facts = self._token._facts
        facts["left"] = True
        if "waiters" in facts:
            wake_all(facts["waiters"])

    async def _begin(self) -> None:
        try:
            if self._callbacks is not None:
                await self._call_back("start", self._token.is_cancelled, self.context)
            if self._sources:
                self._running_sources = RunningSources(self)
                await self._running_sources.start()
        except BaseException:
            self._move_on = False  # a body cannot be skipped from here
            await self.__aexit__(*sys.exc_info())
            raise

    async def _finish(self, leaving: BaseException | None) -> None:
        if self._status is COMPLETED:
            is_cancelled = anyio.current_effective_deadline() == -math.inf
            await self._call_back("complete", is_cancelled, self.context)
        elif self._status is FAILED:
            await self._call_back("error", True, self.context, leaving)
        else:
            await self._call_back("cancel", True, self.context)

    async def _call_back(self, event: str, shield: bool, *args: object) -> None:
        """Call the callbacks of an event, protected for a while from a cancellation that is under way."""
        if self._callbacks is None or event not in self._callbacks:
            return
        seconds = self._callback_timeout
        with anyio.move_on_after(seconds if shield else None, shield=shield) as limit:
            await call_all(self._callbacks[event], *args)
        if limit.cancelled_caught:
            logger.warning("%s: its callbacks for %s were cut off after %g s", self._label(), event, seconds)
