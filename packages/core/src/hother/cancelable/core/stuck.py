"""Telling of operations that were told to stop and do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .log import logger
from .observer import notify
from .seconds import positive_seconds

if TYPE_CHECKING:
    from datetime import timedelta

    from .state import OperationState


limit: float | None = None
"""How long an operation may take to stop, in seconds, before it is reported."""


def set_stuck_after(seconds: float | timedelta | None) -> None:
    """Report, once, every operation that still runs so long after it was told to stop.

    The report is a warning of the logger `hother.cancelable` with the operation's name, its reason, its age and the
    lines where it sits. A blocked event loop can report nothing.

    Args:
        seconds: How long an operation may take to stop. None, as at the start, reports nothing.

    Raises:
        TypeError: If it is no time span.
        ValueError: If it is zero, negative or NaN.
    """
    global limit
    limit = None if seconds is None else positive_seconds(seconds, "stuck_after")


def stuck_is_reported() -> bool:
    """Tell whether operations that do not stop are reported."""
    return limit is not None


def watch(operation: OperationState) -> None:
    """Start the clock for an operation that was just told to stop."""
    if limit is None or operation._stuck_timer is not None:
        return
    backend, loop, seconds = operation._backend, operation._loop, limit
    when = backend.now(loop) + seconds
    operation._stuck_timer = backend.call_at(loop, when, lambda: _report(operation, seconds))


def _report(operation: OperationState, seconds: float) -> None:
    cause = operation._token.cause
    if not operation.is_running or cause is None or operation._scope is None:
        return
    age = operation._backend.now(operation._loop) - operation._started_at
    report = (
        f"{operation._label()} still runs {seconds:g} s after it was told to stop ({cause.reason}"
        f"{f': {cause.message}' if cause.message else ''}); it is {age:.3g} s old and sits at\n"
        + "".join(operation._backend.stack(operation._task)).rstrip()
    )
    logger.warning("%s", report)
    notify(operation, "operation_stuck", report)
