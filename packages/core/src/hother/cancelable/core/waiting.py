"""Waiting for the end of an operation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from .backend import current_loop
from .listeners import TaskWaiter
from .loops import encloses
from .reason import CancelationReason

if TYPE_CHECKING:
    from .context import OperationContext
    from .stopping import Stoppable


async def wait_for_end(
    operation: Stoppable, seconds: float | None, reason: CancelationReason | str, message: str | None
) -> OperationContext:
    """Tell an operation to stop and wait until it has; see `Cancelable.cancel_and_wait`."""
    with anyio.CancelScope() as limit:
        _refuse_in_own_body(operation, limit)
        await operation.cancel(reason, message)
        if seconds is not None:
            limit.deadline = anyio.current_time() + seconds
        await _ended(operation)
    if limit.cancelled_caught:
        raise TimeoutError(f"{operation._label()} has not ended {seconds:g} s after it was told to stop")
    return operation.context


def _refuse_in_own_body(operation: Stoppable, here: anyio.CancelScope) -> None:
    if not operation.is_running or operation._loop is not current_loop():
        return
    scope, backend = operation._scope, operation._backend
    # Between two items of a decorated generator there is no scope, but a consumer in the task of the last one.
    inside = backend.current_task() is operation._task if scope is None else encloses(backend, scope, here)
    if inside:
        raise RuntimeError(f"{operation._label()} cannot wait in its own body for its own end; use cancel() there")


async def _ended(operation: Stoppable) -> None:
    waiter = TaskWaiter()
    waiters = operation._token._once("waiters", dict[TaskWaiter, bool])
    waiters[waiter] = True
    if "left" in operation._token._facts:  # perhaps in another thread, meanwhile
        waiter.event.set()
    try:
        await waiter.event.wait()
    finally:
        waiters.pop(waiter, None)


def wake_all(waiters: dict[TaskWaiter, bool]) -> None:
    """Wake those who wait for the end of an operation, on whichever loop."""
    for waiter in list(waiters):
        if waiters.pop(waiter, False):
            waiter.wake()
