"""Users' callbacks: called in order, awaited where they are async, and harmless when they fail."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, TypeVar

from .backend import native_cancel_requests
from .log import logger

if TYPE_CHECKING:
    from .context import OperationContext

ProgressCallback = Callable[[str, Any, "dict[str, Any] | None"], "Awaitable[object] | object"]
"""Called with the operation's id, the message and the metadata."""
StatusCallback = Callable[["OperationContext"], "Awaitable[object] | object"]
"""Called with the operation's context."""
ErrorCallback = Callable[["OperationContext", BaseException], "Awaitable[object] | object"]
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


async def call_all(callbacks: Iterable[Callable[..., Any]], *args: object) -> None:
    """Call each in order and await what is awaitable; a failure is logged and stops no other."""
    for callback in callbacks:
        try:
            result = callback(*args)
        except (Exception, asyncio.CancelledError) as error:
            log_failure(callback, error)
        else:
            await settle(callback, result)


def as_one(callbacks: Iterable[Callable[..., Any] | None]) -> Callable[..., Any] | None:
    """Return what calls all of these: None for none, and a single one as it is, since that is quickest to call."""
    listed: list[Callable[..., Any]] = []
    for callback in callbacks:
        if isinstance(callback, _Several):
            listed += callback.callbacks
        elif callback is not None:
            listed.append(callback)
    return _Several(listed) if len(listed) > 1 else next(iter(listed), None)


class _Several:
    """Callbacks that are called one after the other."""

    __slots__ = ("callbacks",)

    def __init__(self, callbacks: list[Callable[..., Any]]) -> None:
        self.callbacks = callbacks

    async def __call__(self, *args: object) -> None:
        await call_all(self.callbacks, *args)


async def settle(callback: object, result: object) -> None:
    """Wait for what a callback returned, if it is something to wait for; log its failure."""
    if not isawaitable(result):
        return
    before = native_cancel_requests()
    try:
        await result
    except Exception as error:
        log_failure(callback, error)
    except asyncio.CancelledError as error:
        if native_cancel_requests() > before:
            raise
        log_failure(callback, error)  # something that it awaited was cancelled, not this task


def log_failure(callback: object, error: BaseException) -> None:
    """Log what a callback has raised."""
    logger.error("callback %r failed", callback, exc_info=error)
