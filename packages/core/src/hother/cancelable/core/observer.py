"""Following the life of operations from outside: what a registry, a tracer or a test kit builds on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .log import logger
from .siblings import load

if TYPE_CHECKING:
    from .cause import Cause
    from .context import OperationContext
    from .operation import Cancelable
    from .reason import OperationStatus
    from .state import OperationState


class Observer:
    """Told of every step in the life of operations. Override what is of interest.

    The methods are called in the midst of the operation's own path, so they must be quick and must not wait. One that
    raises is logged, and harms nobody.
    """

    def operation_started(self, operation: Cancelable) -> None:
        """The operation was entered."""

    def progress_reported(self, operation: Cancelable, message: Any, metadata: dict[str, Any] | None) -> None:
        """The operation has reported progress."""

    def cancel_requested(self, operation: Cancelable, cause: Cause) -> None:
        """Somebody has asked it to stop. May come from any thread or from a signal handler."""

    def cancel_delivered(self, operation: Cancelable) -> None:
        """Its event loop knows of the request and interrupts it at its next checkpoint."""

    def operation_stuck(self, operation: Cancelable, report: str) -> None:
        """It was told to stop long ago and still runs; the report says where."""

    def operation_ended(self, operation: Cancelable) -> None:
        """The operation was left; its context is final."""


def facts_of(
    operation: OperationState,
) -> tuple[str | None, str | None, OperationStatus, dict[str, Any] | None, Cause | None, str | None]:
    """Return what is known of an operation now, for observers who need it often: its record costs more.

    Returns:
        The name, the id of the parent, the status, the user's metadata (not a copy), why it was told to stop or has
        ended, and the text of the exception that left its body.
    """
    context: OperationContext | None = operation._token._facts.get("context")
    return (
        operation._name,
        None if operation._parent is None else operation._parent.operation_id,
        operation._status,
        operation._metadata if context is None else context.metadata,
        operation._outcome or operation._token.cause,
        operation._error,
    )


everywhere: list[Observer] = []
"""The observers of all operations. Operations without others hold this very list, so that one look at it tells."""
_process_wide: tuple[Observer, ...] = ()


def set_process_wide(observer: Observer) -> None:
    """Have an observer told of all operations that are made with `register_globally=True` from now on.

    For the registry, which does so for the one of the process.
    """
    global _process_wide
    _process_wide = (observer,)


def process_wide() -> tuple[Observer, ...]:
    """Return who is told of operations that are made with `register_globally=True`.

    Raises:
        ImportError: If there is no registry.
    """
    # another thread may have made the registry and not told of it yet, so the registry itself is asked
    return _process_wide or (load("OperationRegistry", "register_globally=True").get_instance().observer,)


def add_observer(observer: Observer) -> None:
    """Have an observer told of every operation from now on.

    Raises:
        TypeError: If it is no `Observer`.
        ValueError: If it was added already.
    """
    if not isinstance(observer, Observer):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"the observer must be an Observer, not {observer!r}")
    if observer in everywhere:
        raise ValueError(f"{observer!r} is an observer already")
    everywhere.append(observer)


def remove_observer(observer: Observer) -> None:
    """Tell an observer of no further operation.

    Raises:
        ValueError: If it was not added.
    """
    if observer not in everywhere:
        raise ValueError(f"{observer!r} is no observer: it was not added, or it was removed before")
    everywhere.remove(observer)


def observe(operation: OperationState, observer: Observer) -> None:
    """Have an observer told of one operation from now on; of nothing twice."""
    own = _own(operation)
    if observer not in own:
        operation._observers = (*own, observer)


def stop_observing(operation: OperationState, observer: Observer) -> None:
    """Have an observer told of one operation no more."""
    operation._observers = tuple(each for each in _own(operation) if each is not observer) or everywhere


def add_all(operation: OperationState, other: OperationState) -> None:
    """Have the observers of another operation told of this one, too."""
    for observer in _own(other):
        observe(operation, observer)


def _own(operation: OperationState) -> Sequence[Observer]:
    return () if operation._observers is everywhere else operation._observers


def notify(operation: OperationState, event: str, *args: object) -> None:
    """Call one method of each observer of an operation; a failure is logged."""
    own = operation._observers
    for observer in dict.fromkeys((*everywhere, *own)) if everywhere else own:
        try:
            getattr(observer, event)(operation, *args)
        except Exception:
            logger.exception("observer %r failed in %s", observer, event)
