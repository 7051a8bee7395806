"""The record of a request to stop: made once, when it is asked for, and never guessed afterwards."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from .backend import running_backend
from .loop_asyncio import task_on
from .loops import Loop
from .reason import CancelationReason

if TYPE_CHECKING:
    from .context import OperationContext


class Cause(NamedTuple):
    """Why, when and by whom something was told to stop."""

    reason: CancelationReason
    """Why."""
    message: str | None = None
    """What the caller had to say about it."""
    origin: str | None = None
    """The name of the source, operation, task or thread that asked."""
    time: float = 0.0
    """When it was asked for, in seconds on the clock of the loop that asked, or of `time.monotonic` without one."""
    error: BaseException | None = None
    """The exception that broke a source (reason ERROR)."""
    context: OperationContext | None = None
    """The operation above that was cancelled (reason PARENT)."""

    @property
    def culprit(self) -> OperationContext | BaseException | None:
        """The operation or exception behind this request, if there is one."""
        return self.error if self.context is None else self.context


def requested(reason: object, message: object) -> tuple[Cause, Loop | None]:
    """Read the arguments of a `cancel` call: the first one is a reason or, as a plain string, the message.

    Returns:
        The request, and the loop that it was made on, if it was made on one.

    Raises:
        TypeError: If the reason is no `CancelationReason` or the message no string.
    """
    if not isinstance(reason, CancelationReason):
        if not isinstance(reason, str):
            raise TypeError(f"the reason must be a CancelationReason or a message, not {reason!r}")
        if message is not None:
            raise TypeError(f"cancel() got two messages, {reason!r} and {message!r}: give a CancelationReason first")
        reason, message = CancelationReason.MANUAL, reason
    if message is not None and not isinstance(message, str):
        raise TypeError(f"the message must be a string, not {message!r}")
    origin, now, loop = whereabouts()
    cause: Cause = _new_tuple(Cause, (reason, message, origin, now, None, None))  # its own constructor takes longer
    return cause, loop


_new_tuple: Any = tuple.__new__  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


def whereabouts() -> tuple[str, float, Loop | None]:
    """Name the task or thread that runs this; return the time on its clock, and its loop."""
    asyncio_loop = asyncio._get_running_loop()
    if asyncio_loop is not None and (task := task_on(asyncio_loop)) is not None:
        return f"task {task.get_name()!r}", asyncio_loop.time(), asyncio_loop  # as below, in half the time
    found = running_backend()
    if found is None:
        return f"thread {threading.current_thread().name!r}", time.monotonic(), None
    backend, loop, task = found
    return backend.task_name(task), backend.now(loop), loop
