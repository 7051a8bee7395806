"""The operation that runs the current code, as a context variable tells it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from contextvars import ContextVar, Token
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .operation import Cancelable
    from .state import OperationState
    from .token import CancelationToken


class Ambient:
    """A token for all operations of a stretch of code, made when the first of them asks for it."""

    __slots__ = ("_previous", "operation", "provide")

    _previous: Token[OperationState | Ambient | None]

    def __init__(self, provide: Callable[[], CancelationToken]) -> None:
        self.provide: Callable[[], CancelationToken] = provide
        self.operation: OperationState | None = None

    def __enter__(self) -> None:
        above = current.get()
        self.operation = above.operation if isinstance(above, Ambient) else above
        self._previous = current.set(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        current.reset(self._previous)


current: ContextVar[OperationState | Ambient | None] = ContextVar("hother.cancelable.current", default=None)


def current_operation() -> Cancelable | None:
    """Return the innermost operation of this task, or None outside any.

    Tasks started inside an operation inherit it, and so do threads started with `Cancelable.run_in_thread`.
    """
    found = current.get()
    return found.operation if isinstance(found, Ambient) else found  # type: ignore[return-value]


def ambient_token(provide: Callable[[], CancelationToken]) -> AbstractContextManager[None]:
    """Let every operation entered inside also end with a token, unless it is detached.

    For integrations: a web request, a message or a job is such a stretch of code.

    Args:
        provide: Returns the token. Called when an operation is entered that has none above it in there, so a token
            that nobody needs is never made.

    Returns:
        A context manager, to be entered once.
    """
    return Ambient(provide)
