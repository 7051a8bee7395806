"""Users' callbacks: called in order, awaited where they are async, and harmless when they fail."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any, TypeVar

from .context import OperationContext
from .log import logger

ProgressCallback = Callable[[str, Any, "dict[str, Any] | None"], "Awaitable[object] | object"]
"""Called with the operation's id, the message and the metadata."""
StatusCallback = Callable[[OperationContext], "Awaitable[object] | object"]
"""Called with the operation's context."""
ErrorCallback = Callable[[OperationContext, BaseException], "Awaitable[object] | object"]
"""Called with the operation's context and the exception that left its body."""

AnyCallback = TypeVar("AnyCallback", bound=Callable[..., object])


def checked(callback: AnyCallback) -> AnyCallback:
    """Return a callback that can be called.

    Raises:
        TypeError: If it cannot.
    """
    if not callable(callback):
        raise TypeError(f"a callback must be a function or coroutine function, not {callback!r}")
    return callback


async def call_all(callbacks: list[Callable[..., Any]], *args: object) -> None:
    """Call each in order and await what is awaitable; a failure is logged and stops no other."""
    for callback in callbacks:
        try:
            await settle(callback(*args))
        except Exception as error:
            log_failure(callback, error)


async def settle(result: object) -> None:
    """Wait for what a callback returned, if it is something to wait for."""
    if isawaitable(result):
        await result


def log_failure(callback: object, error: Exception) -> None:
    """Log what a callback has raised."""
    logger.error("callback %r failed", callback, exc_info=error)
