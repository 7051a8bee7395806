"""Deciding what ended the body of an operation, and what leaves the block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import anyio

from .cause import Cause
from .exceptions import BY_REASON, CancelationError
from .flavour import for_task
from .parents import caused_by
from .reason import CANCELLED, FAILED, CancelationReason, OperationStatus

if TYPE_CHECKING:
    from .state import OperationState


Verdict = tuple[OperationStatus, Cause | None, bool]
"""The status, the cause that goes on record, and whether a request to the operation itself interrupted its body."""


def judge(operation: OperationState, leaving: BaseException, requested: Cause | None, outer: Cause | None) -> Verdict:
    """Decide how an operation ended whose body was left by an exception that its scope has not taken for its own.

    Args:
        operation: The operation.
        leaving: What left the body.
        requested: The request that was made to this operation, if one was.
        outer: What an enclosing ancestor passes on, if one was cancelled.
    """
    told = _told_to_stop(operation, leaving)
    if told is not None:
        passed_on = outer or caused_by(told, told._token.cause or Cause(CancelationReason.EXTERNAL))
        own = told is operation
        return CANCELLED, requested if own else passed_on, own
    if isinstance(leaving, CancelationError) or not isinstance(leaving, _interruptions()):
        return FAILED, requested, False
    return CANCELLED, outer or _from_outside(operation, leaving), False


def _interruptions() -> tuple[type[BaseException], ...]:
    return anyio.get_cancelled_exc_class(), GeneratorExit


def _from_outside(operation: OperationState, leaving: BaseException) -> Cause:
    now = operation._backend.now(operation._loop)
    return Cause(CancelationReason.EXTERNAL, str(leaving) or None, None, now)


def _told_to_stop(operation: OperationState, leaving: BaseException) -> OperationState | None:
    """Return the operation, this one or one above it, whose `check` raised an exception, also in a task group."""
    if isinstance(leaving, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", leaving)
        found = {_told_to_stop(operation, each) for each in group.exceptions}
        return found.pop() if len(found) == 1 else None
    if not isinstance(leaving, CancelationError):
        return None
    context = leaving.context if leaving._ancestor is None else leaving._ancestor
    above: OperationState | None = operation
    while above is not None:
        cause = above._token.cause
        by_operation = context is not None and context is above._token._facts.get("context")
        if cause is not None and (by_operation or cause is leaving._request):
            return above
        above = above._parent
    return None


def text_of(error: BaseException) -> str:
    """Return the type and the text of an exception, as far as it has one."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:
        return type(error).__name__


def leave(
    operation: OperationState, task: Any, requested: Cause | None, exc: BaseException | None, leaving: BaseException
) -> bool:
    """Raise what leaves the block, unless it is the very exception that the block passes on anyway.

    Args:
        operation: The operation that was left.
        task: The native task that has left it.
        requested: The request that interrupted its body, if one did.
        exc: What left the body.
        leaving: The same, or what remains of a group.

    Returns:
        False, for the block to pass on `exc`.

    Raises:
        CancelationError: The exception of the reason, with the traceback of what it interrupted.
        BaseException: What remains of a group.
    """
    if requested is None and leaving is exc:
        return False
    error, context = leaving, leaving.__context__
    if requested is not None:
        # The interruption itself would make an enclosing anyio scope take the error for its own.
        error, context = _exception_for(operation, task, requested), _without_interruption(leaving)
        error = error.with_traceback(leaving.__traceback__)
    try:
        raise error
    finally:
        error.__context__ = context
        del error, context, exc, leaving, task


def _exception_for(operation: OperationState, task: Any, cause: Cause) -> BaseException:
    error = for_task(task, BY_REASON[cause.reason], cause.message)
    error._operation = operation
    if cause.error is not None:
        error.__cause__ = cause.error
    return error


def _without_interruption(interrupted: BaseException) -> BaseException | None:
    """Return what was handled when the body was interrupted, past other interruptions."""
    context = interrupted.__context__
    if context is not None:
        native = anyio.get_cancelled_exc_class()
        while isinstance(context, (native, BaseExceptionGroup)):
            context = context.__context__
    return context
