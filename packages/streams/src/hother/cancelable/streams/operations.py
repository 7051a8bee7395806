"""The operation that a stream has for itself."""

from __future__ import annotations

from hother.cancelable import Cancelable, OperationStatus

from .limits import Limits
from .settings import Settings


def new_operation(settings: Settings, limits: Limits | None, parent: Cancelable | None = None) -> Cancelable:
    """Make an operation for a stream."""
    return Cancelable(
        name=settings.name or "stream",
        operation_id=settings.operation_id,
        token=settings.token,
        sources=() if limits is None else (limits,),
        parent=parent,
    )


def operation_under(given: Cancelable, settings: Settings, limits: Limits | None) -> Cancelable:
    """Return the stream's operation where one was given: a child of one that runs, or that one if it is still to run.

    Raises:
        RuntimeError: If the given operation has ended.
        ValueError: If it is still to run and a name or id was given besides.
    """
    if given.is_running:
        return new_operation(settings, limits, given)
    if given.context.status is not OperationStatus.PENDING:
        raise RuntimeError(f"{given!r} has ended; a stream needs an operation that runs, or was not entered yet")
    if settings.name is not None or settings.operation_id is not None:
        raise ValueError(f"the stream runs as {given!r}, which has a name and an id; give them there")
    if settings.token is not None and settings.token is not given.token:
        given.token.link(settings.token)
    if limits is not None:
        given.add_source(limits)
    return given
