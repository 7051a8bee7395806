"""The exceptions that leave a cancelled operation, one for each reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .reason import CancelationReason

if TYPE_CHECKING:
    from .cause import Cause
    from .context import OperationContext
    from .state import OperationState


class CancelationError(Exception):
    """Raised when an operation was cancelled: the base of one class for each reason.

    Catch this one in code that runs on asyncio and trio. Where nobody watches the task, on asyncio, what leaves an
    operation is an `asyncio.CancelledError` as well; see `hother.cancelable.core.flavour`.

    Args:
        message: What to tell the reader of a log.
        reason: Why; a subclass knows its own.
        context: The operation that was cancelled, if it was one.
    """

    reason: CancelationReason = CancelationReason.MANUAL
    """Why the operation was cancelled."""
    _context: OperationContext | None = None
    _ancestor: OperationContext | None = None
    _request: Cause | None = None
    _operation: OperationState | None = None

    def __init__(
        self,
        message: str | None = None,
        *,
        reason: CancelationReason | None = None,
        context: OperationContext | None = None,
    ) -> None:
        super().__init__(message)
        self.message: str | None = message
        """What the one who cancelled it had to say."""
        if reason is not None:
            self.reason = reason
        if context is not None:
            self._context = context

    @property
    def context(self) -> OperationContext | None:
        """The record of the operation that was cancelled."""
        return self._context if self._operation is None else self._operation.context

    def __str__(self) -> str:
        context = self.context
        what = "cancelled" if context is None else f"operation {context.name or context.id!r} was cancelled"
        return f"{what} ({self.reason.value})" + (f": {self.message}" if self.message else "")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (_plain_class(type(self)), self.message, self.reason, _picklable(self.context))


class TimeoutCancelation(CancelationError, TimeoutError):
    """Raised when the deadline of an operation passed. Also a `TimeoutError`."""

    reason: CancelationReason = CancelationReason.TIMEOUT


class ManualCancelation(CancelationError):
    """Raised when somebody cancelled the operation or one of its tokens."""

    reason: CancelationReason = CancelationReason.MANUAL


class SignalCancelation(CancelationError):
    """Raised when a signal ended the operation."""

    reason: CancelationReason = CancelationReason.SIGNAL


class ConditionCancelation(CancelationError):
    """Raised when a condition became true or a custom source fired."""

    reason: CancelationReason = CancelationReason.CONDITION


class ParentCancelation(CancelationError):
    """Raised when an operation above was cancelled that does not enclose this one, so only a link ended it."""

    reason: CancelationReason = CancelationReason.PARENT


class ErrorCancelation(CancelationError):
    """Raised when a source broke; its exception is the `__cause__`."""

    reason: CancelationReason = CancelationReason.ERROR


class DisconnectCancelation(CancelationError):
    """Raised when the client that the operation worked for has left."""

    reason: CancelationReason = CancelationReason.DISCONNECT


class ShutdownCancelation(CancelationError):
    """Raised when the process is shutting down."""

    reason: CancelationReason = CancelationReason.SHUTDOWN


class ExternalCancelation(CancelationError):
    """Raised by `check()` for a token that was cancelled with the reason EXTERNAL."""

    reason: CancelationReason = CancelationReason.EXTERNAL


BY_REASON: dict[CancelationReason, type[CancelationError]] = {
    each.reason: each
    for each in (
        TimeoutCancelation,
        ManualCancelation,
        SignalCancelation,
        ConditionCancelation,
        ParentCancelation,
        ErrorCancelation,
        DisconnectCancelation,
        ShutdownCancelation,
        ExternalCancelation,
    )
}


def _plain_class(kind: type[CancelationError]) -> type[CancelationError]:
    """Return the importable class of an exception, whichever flavour it has."""
    plain: type[CancelationError] = kind.__dict__.get("_plain", kind)
    return plain


def _picklable(context: OperationContext | None) -> OperationContext | None:
    """Return a record without what the user put there, if that cannot be pickled: the error itself must get through."""
    import pickle
    from dataclasses import replace

    if context is None:
        return None
    try:
        pickle.dumps(context)
    except Exception:
        return replace(context, metadata={}, partial_result=None, cause=None)
    return context


def _rebuild(
    kind: type[CancelationError], message: str | None, reason: CancelationReason, context: OperationContext | None
) -> CancelationError:
    return kind(message, reason=reason, context=context)
