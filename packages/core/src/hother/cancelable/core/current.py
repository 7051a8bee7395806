"""The operation that runs the current code, as a context variable tells it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .operation import Cancelable
    from .state import OperationState
    from .token import CancelationToken


class Ambient:
    """A token for all operations of a stretch of code, made when the first of them asks for it."""

    __slots__ = ("operation", "provide")

    def __init__(self, provide: Callable[[], CancelationToken], operation: OperationState | None) -> None:
        self.provide: Callable[[], CancelationToken] = provide
        self.operation: OperationState | None = operation


current: ContextVar[OperationState | Ambient | None] = ContextVar("hother.cancelable.current", default=None)


def current_operation() -> Cancelable | None:
    """Return the innermost operation of this task, or None outside any.

    Tasks started inside an operation inherit it, and so do threads started with `Cancelable.run_in_thread`.
    """
    found = current.get()
    return found.operation if isinstance(found, Ambient) else found  # type: ignore[return-value]


@contextmanager
def ambient_token(provide: Callable[[], CancelationToken]) -> Generator[None]:
    """Let every operation entered inside also end with a token, unless it has a parent there or is detached.

    For integrations: a web request, a message or a job is such a stretch of code.

    Args:
        provide: Returns the token. Called when an operation is entered, so a token that nobody needs is never made.
    """
    above = current.get()
    operation = above.operation if isinstance(above, Ambient) else above
    token = current.set(Ambient(provide, operation))
    try:
        yield
    finally:
        current.reset(token)
