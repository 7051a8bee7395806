"""Operations, tokens and reasons: everything that works with anyio alone.

`hother.cancelable` exports the names that users need; what is only here serves those who build on them, like the other
packages of this project.
"""

from typing import TYPE_CHECKING

from .backend import current_backend, current_loop, native_cancel_requests
from .callbacks import ErrorCallback, ProgressCallback, StatusCallback
from .cause import Cause
from .current import ambient_token, current_operation
from .exceptions import (
    CancelationError,
    ConditionCancelation,
    DisconnectCancelation,
    ErrorCancelation,
    ExternalCancelation,
    ManualCancelation,
    ParentCancelation,
    ShutdownCancelation,
    SignalCancelation,
    TimeoutCancelation,
)
from .firing import Fire
from .listeners import Registration, has_listeners
from .log import logger
from .loops import Loop, Timer, post
from .observer import (
    Observer,
    add_observer,
    facts_of,
    observe,
    remove_observer,
    set_process_wide,
    stop_observing,
)
from .operation import Cancelable
from .reason import CancelationReason, OperationStatus
from .seconds import positive_seconds
from .source import CancelationSource, Disarm, require_distinct
from .state import require
from .stuck import set_stuck_after
from .token import CancelationToken, request_cancel

__all__ = [
    "Cancelable",
    "CancelationError",
    "CancelationReason",
    "CancelationSource",
    "CancelationToken",
    "Cause",
    "ConditionCancelation",
    "Disarm",
    "DisconnectCancelation",
    "ErrorCallback",
    "ErrorCancelation",
    "ExternalCancelation",
    "Fire",
    "Loop",
    "ManualCancelation",
    "Observer",
    "OperationContext",
    "OperationOptions",
    "OperationStatus",
    "ParentCancelation",
    "ProgressCallback",
    "Registration",
    "ShutdownCancelation",
    "SignalCancelation",
    "StatusCallback",
    "TaskBeside",
    "TimeoutCancelation",
    "Timer",
    "add_observer",
    "ambient_token",
    "cancelable",
    "cancelable_combine",
    "cancelable_method",
    "cancelable_with_condition",
    "cancelable_with_signal",
    "cancelable_with_token",
    "current_backend",
    "current_loop",
    "current_operation",
    "end_steps",
    "entered_here",
    "facts_of",
    "has_listeners",
    "logger",
    "native_cancel_requests",
    "observe",
    "positive_seconds",
    "post",
    "postponed",
    "remove_observer",
    "request_cancel",
    "require",
    "require_distinct",
    "set_process_wide",
    "set_stuck_after",
    "start_beside",
    "step",
    "stop_observing",
    "with_cancelable",
    "with_current_operation",
    "with_timeout",
]

if TYPE_CHECKING:
    from .beside import TaskBeside, start_beside
    from .context import OperationContext
    from .decorators import (
        cancelable,
        cancelable_combine,
        cancelable_method,
        cancelable_with_condition,
        cancelable_with_signal,
        cancelable_with_token,
        with_cancelable,
        with_current_operation,
        with_timeout,
    )
    from .options import OperationOptions
    from .stepping import end_steps, entered_here, postponed, step
else:

    def __getattr__(name: str) -> object:
        from importlib import import_module

        from .siblings import LATE

        if name not in LATE:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return globals().setdefault(name, getattr(import_module(LATE[name], __name__), name))

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
