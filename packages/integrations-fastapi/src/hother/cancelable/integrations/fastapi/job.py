"""One background job: what runs it, and what is known of it."""

from __future__ import annotations

import inspect
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from anyio.lowlevel import checkpoint_if_cancelled

from hother.cancelable import Cancelable, CancelationReason, CancelationToken, OperationStatus
from hother.cancelable.core import Cause, logger

DROPPED: Final = Cause(CancelationReason.EXTERNAL, "dropped before it began: nothing runs it any more")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatus:
    """How a background job stands, in plain values; an endpoint may return it."""

    id: str
    """What `BackgroundJobs` knows it by; also the id of its operation."""
    name: str
    """The name of its function."""
    status: OperationStatus
    """How its operation stands: CANCELLED only once it has ended, RUNNING while it still works."""
    cancel_requested: bool
    """Whether it was told to stop, also where its function came to its end all the same."""
    has_ended: bool
    """Whether nothing of it runs, in no thread either, and nothing of it ever will."""
    reason: CancelationReason | None
    """Why it was told to stop, or was ended from outside."""
    message: str | None
    """What the one who asked had to say."""
    error: str | None
    """The type and text of the exception that it failed with."""


class Job:
    """What is remembered of a job. Its operation holds the task that runs it, which asyncio alone would not."""

    __slots__ = ("_context", "_decided", "_token", "ended", "name", "operation")

    def __init__(self, name: str, token: CancelationToken | None) -> None:
        self.name: str = name
        self.operation: Cancelable = Cancelable(
            name=name, operation_id=uuid.uuid4().hex, token=token, detached=True, move_on=True
        )
        self.ended: CancelationToken = CancelationToken()  # an event that any thread may set, and any loop wait for
        self._context = self.operation.context  # made here: a thread that asks first might see it halfway
        self._token = token
        self._decided: dict[str, Cause | None] = {}  # once, in whichever thread: setdefault is atomic

    @property
    def id(self) -> str:
        """The id of the job and of its operation."""
        return self.operation.operation_id

    def begins(self) -> bool:
        """Decide whether the job begins now, unless it was decided before that it never will."""
        return self._decided.setdefault("instead", None) is None

    def drop(self) -> None:
        """Decide that the job never begins, since nothing is there any more to run it."""
        self._decided.setdefault("instead", self._requested_before() or DROPPED)

    def status(self) -> JobStatus:
        """Tell how the job stands now, in any thread."""
        instead, context = self._instead(), self._context
        has_ended = instead is not None or self.ended.is_cancelled  # written last, so it is read first
        has_left = context.end_time is not None  # but a thread may run on
        cause, status = self.operation.token.cause, context.status
        reason, message = context.cancel_reason, context.cancel_message
        if not has_left:
            reason, message = (None, None) if cause is None else cause[:2]
        if not has_ended:
            status = status if status is OperationStatus.PENDING else OperationStatus.RUNNING
        elif instead is not None:
            status, cause, (reason, message) = OperationStatus.CANCELLED, instead, instead[:2]
        return JobStatus(
            id=context.id,
            name=self.name,
            status=status,
            cancel_requested=cause is not None and cause is not DROPPED,
            has_ended=has_ended,
            reason=reason,
            message=message,
            error=context.error if has_ended else None,
        )

    def _instead(self) -> Cause | None:
        """Return why the job never begins, or None if it may or has."""
        if "instead" not in self._decided and (cause := self._requested_before()) is not None:
            self._decided.setdefault("instead", cause)
        return self._decided.get("instead")

    def _requested_before(self) -> Cause | None:
        """Return the request that was made before the job began, when its operation heard of no other token."""
        cause = self.operation.token.cause
        return self._token.cause if cause is None and self._token is not None else cause


class JobRun:
    """Runs a job once, as a background task of Starlette or beside the request; notices if it is thrown away before.

    Background tasks are dropped where the endpoint raises, an earlier one of them fails, or the response that the
    endpoint returns has background tasks of its own.

    Asyncio's own `Task.cancel()`, as a server calls it when its patience at shutdown is over, makes anyio leave a
    worker thread behind. So the job ends in the last of the two, its task and its thread.
    """

    def __init__(self, job: Job, call: partial[object], note_end: Callable[[Job], None]) -> None:
        self.job: Job = job
        self._call: partial[object] | None = call
        self._note_end = note_end
        self._task_is_over = False
        self._thread_is_over = False
        self._decided: dict[str, bool] = {}  # whether the thread begins: once, in either of the two

    async def __call__(self) -> None:
        call, self._call = self._call, None
        if call is None:  # a response that is sent twice
            return
        try:
            if self.job.begins():
                await self._run(call)
        finally:
            self._task_is_over = True
            self._end_if_last()

    async def beside(self) -> None:
        """Run it where nobody awaits it, and log what it fails with."""
        try:
            await self()
        except Exception:
            logger.exception("background job %r (%s) failed", self.job.name, self.job.id)

    def __del__(self) -> None:
        if self._call is not None:
            self.job.drop()
            self._note_end(self.job)

    async def _run(self, call: partial[object]) -> None:
        async with self.job.operation as operation:
            await checkpoint_if_cancelled()  # a thread may have cancelled it since it was asked whether it begins
            if _is_coroutine_function(call.func):
                result = call()
            else:
                (result,) = await operation.run_in_thread(self._run_here, call)
            if inspect.isawaitable(result):  # as from a lambda
                await result

    def _run_here(self, call: Callable[[], object]) -> tuple[object, ...]:
        """Run the function in this thread, unless its task has gone; in a tuple, as trio refuses a bare awaitable."""
        if not self._decided.setdefault("begins", True):
            return ()
        try:
            return (call(),)
        finally:
            self._thread_is_over = True
            self._end_if_last()

    def _end_if_last(self) -> None:
        """End the job if nothing of it runs any more; a thread that has not begun when the task is over never does."""
        if not self._task_is_over or (self._decided.setdefault("begins", False) and not self._thread_is_over):
            return
        if self.job.ended.cancel_sync():  # both may be here, one is the first
            self._note_end(self.job)


def name_of(function: Any) -> str:
    """Return the name of a function, or of the class of another thing that can be called."""
    function = _unwrapped(function)
    name: str = getattr(function, "__name__", type(function).__name__)
    return name


def require_function(function: object, where: str) -> None:
    """Refuse what is no function to run.

    Raises:
        TypeError: If it cannot be called, or makes a generator, which nobody would iterate.
    """
    if not callable(function):
        hint = f": give the function and its arguments apart, as in {where}" if inspect.isawaitable(function) else ""
        raise TypeError(f"the function of a background job must be callable, not {function!r}{hint}")
    plain = _unwrapped(function)
    if inspect.isasyncgenfunction(plain) or inspect.isgeneratorfunction(plain):
        raise TypeError(
            f"the function of a background job must do its work by itself, and nobody would iterate {function!r}: "
            "give a function that does"
        )


def _is_coroutine_function(function: object) -> bool:
    function = _unwrapped(function)
    return inspect.iscoroutinefunction(function) or (
        callable(function) and inspect.iscoroutinefunction(function.__call__)
    )


def _unwrapped(function: object) -> object:
    while isinstance(function, partial):
        function = function.func
    return function
