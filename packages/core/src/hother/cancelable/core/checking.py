"""Asking, without waiting, whether to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from .backend import in_event_loop
from .cause import Cause
from .exceptions import BY_REASON
from .parents import caused_by, reaches
from .shield import is_protected

if TYPE_CHECKING:
    from .context import OperationContext
    from .state import OperationState


def check(operation: OperationState) -> None:
    """Raise if an operation was told to stop; see `Cancelable.check`."""
    if is_protected(operation):
        return
    cause, ancestor = operation._token.cause, None
    if cause is None and operation.is_cancelled:
        cause = operation._outcome  # for a thread that has outlived it
    if cause is None:
        cause, ancestor = _passed_on(operation)
    if cause is None:
        _check_in_thread()
        return
    error = BY_REASON[cause.reason](cause.message, context=operation.context)
    error._ancestor = ancestor
    try:
        raise error from cause.error
    finally:
        del error, cause  # or the exception would find itself in this frame


def _passed_on(operation: OperationState) -> tuple[Cause | None, OperationContext | None]:
    above = operation._parent
    while above is not None and not is_protected(above):
        cause = above._token.cause
        if cause is not None and reaches(above, operation):
            return caused_by(above, cause), above.context
        above = above._parent
    return None, None


def _check_in_thread() -> None:
    """Raise the backend's own cancellation, where this is a worker thread whose task was cancelled from outside."""
    if in_event_loop():
        return
    from anyio import from_thread  # loaded when it is needed: it takes longer than all of this package

    try:
        from_thread.check_cancelled()
    except anyio.NoEventLoopError:  # no worker thread of anyio
        pass
