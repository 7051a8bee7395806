"""A stretch of an operation that its cancellation cannot interrupt."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from .state import OperationState


class _Protection:
    """A shield that code runs in, or that it was started in."""

    __slots__ = ("above", "active", "operation")

    def __init__(self, operation: OperationState, above: _Protection | None) -> None:
        self.operation: OperationState = operation
        self.above: _Protection | None = above
        self.active: bool = True


_protection: ContextVar[_Protection | None] = ContextVar("hother.cancelable.protection", default=None)


def is_protected(operation: OperationState) -> bool:
    """Tell whether this code runs in a shield of an operation that still holds."""
    protection = _protection.get()
    while protection is not None:
        if protection.active and protection.operation is operation:
            return True
        protection = protection.above
    return False


@asynccontextmanager
async def shield(operation: OperationState, timeout: float | None) -> AsyncGenerator[anyio.CancelScope]:
    """Protect a stretch of code; see `Cancelable.shield`."""
    from anyio.lowlevel import checkpoint_if_cancelled  # loaded when it is needed, by anyio anyway

    protection = _Protection(operation, _protection.get())
    previous = _protection.set(protection)
    try:
        with anyio.CancelScope(shield=True) as scope:
            if timeout is not None:
                scope.deadline = anyio.current_time() + timeout
            yield scope
    finally:
        protection.active = False
        _protection.reset(previous)
    await checkpoint_if_cancelled()
    if scope.cancelled_caught:
        raise TimeoutError(f"{operation._label()}: the shielded part was cut off after its limit of {timeout:g} s")
