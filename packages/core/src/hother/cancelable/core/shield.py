"""A stretch of an operation that its cancelation cannot interrupt."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

import anyio
from anyio.lowlevel import checkpoint_if_cancelled

if TYPE_CHECKING:
    from .state import OperationState

shielded: ContextVar[OperationState | None] = ContextVar("hother.cancelable.shielded", default=None)


@asynccontextmanager
async def shield(operation: OperationState, timeout: float | None) -> AsyncGenerator[anyio.CancelScope]:
    """Protect a stretch of code; see `Cancelable.shield`."""
    previous = shielded.set(operation)
    try:
        with anyio.CancelScope(shield=True) as scope:
            if timeout is not None:
                scope.deadline = anyio.current_time() + timeout
            yield scope
    finally:
        shielded.reset(previous)
    await checkpoint_if_cancelled()
    if scope.cancelled_caught:
        raise TimeoutError(f"{operation._label()}: the shielded part was cut off after its limit of {timeout:g} s")
