"""Async work that can be told to stop, and can explain afterwards why it did.

This is the facade of all packages of the project. The names of `hother.cancelable.core` are here; the few names of
other distributions that are imported from here, too, are loaded when they are first asked for.
"""

from __future__ import annotations

from pkgutil import extend_path
from typing import TYPE_CHECKING

from .core import (
    Cancelable,
    CancelationError,
    CancelationReason,
    CancelationSource,
    CancelationToken,
    Cause,
    ConditionCancelation,
    DisconnectCancelation,
    ErrorCallback,
    ErrorCancelation,
    ExternalCancelation,
    Fire,
    ManualCancelation,
    Observer,
    OperationStatus,
    ParentCancelation,
    ProgressCallback,
    Registration,
    ShutdownCancelation,
    SignalCancelation,
    StatusCallback,
    TimeoutCancelation,
    add_observer,
    ambient_token,
    current_operation,
    remove_observer,
    set_stuck_after,
)

__path__ = extend_path(__path__, __name__)

__all__ = [
    "Cancelable",
    "CancelationError",
    "CancelationReason",
    "CancelationSource",
    "CancelationToken",
    "Cause",
    "ConditionCancelation",
    "DisconnectCancelation",
    "ErrorCallback",
    "ErrorCancelation",
    "ExternalCancelation",
    "Fire",
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
    "TimeoutCancelation",
    "add_observer",
    "ambient_token",
    "cancelable",
    "cancelable_combine",
    "cancelable_method",
    "cancelable_with_condition",
    "cancelable_with_signal",
    "cancelable_with_token",
    "current_operation",
    "remove_observer",
    "set_stuck_after",
    "with_cancelable",
    "with_current_operation",
    "with_timeout",
]

if TYPE_CHECKING:
    from hother.cancelable.registry import OperationRegistry as OperationRegistry
    from hother.cancelable.registry import ThreadSafeRegistry as ThreadSafeRegistry
    from hother.cancelable.sources import AllOfSource as AllOfSource
    from hother.cancelable.sources import AnyOfSource as AnyOfSource
    from hother.cancelable.sources import CompositeSource as CompositeSource
    from hother.cancelable.streams import cancelable_stream as cancelable_stream

    from .core import (
        OperationContext,
        OperationOptions,
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
else:  # checkers shall go on reporting misspelt names

    def __getattr__(name: str) -> object:
        from . import core
        from .core.siblings import LATE, SIBLINGS, load

        if name in LATE and name in __all__:
            return globals().setdefault(name, getattr(core, name))
        if name not in SIBLINGS:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return load(name, f"hother.cancelable.{name}")

    def __dir__() -> list[str]:
        from .core.siblings import SIBLINGS

        return sorted({*globals(), *__all__, *SIBLINGS})
