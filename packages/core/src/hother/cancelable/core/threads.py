"""Blocking work in worker threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import anyio

    from .state import OperationState

T = TypeVar("T")


async def run_in_thread(
    operation: OperationState, call: Callable[[], T], limiter: anyio.CapacityLimiter | None, abandon_on_cancel: bool
) -> T:
    """Run a function in a worker thread; see `Cancelable.run_in_thread`.

    Raises:
        RuntimeError: Unless the operation runs.
    """
    if not operation.is_running:
        raise RuntimeError(f"{operation._label()} does not run; call run_in_thread() inside its block")
    from anyio import to_thread
    from anyio.lowlevel import checkpoint_if_cancelled

    result = await to_thread.run_sync(call, limiter=limiter, abandon_on_cancel=abandon_on_cancel)
    # anyio lets a cancellation lapse that came while the thread ran (https://github.com/agronholm/anyio/issues/601).
    await checkpoint_if_cancelled()
    return result
