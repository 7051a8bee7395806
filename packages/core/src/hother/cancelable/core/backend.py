"""Finding the running loop and what serves it, quickly."""

from __future__ import annotations

import asyncio
import sys
from typing import Any, Final

import anyio

from . import loop_asyncio
from .loops import Backend, Loop

ASYNCIO: Final[Backend] = loop_asyncio
"""What serves event loops of asyncio."""


def current_backend() -> tuple[Backend, Loop, Any]:
    """Return the backend of the running loop, the loop, and the task that runs this, or None outside a task.

    Raises:
        anyio.NoEventLoopError: If no event loop runs in this thread.
    """
    found = running_backend()
    if found is None:
        raise anyio.NoEventLoopError("no event loop runs in this thread; call this in a coroutine that one runs")
    return found


def running_backend() -> tuple[Backend, Loop, Any] | None:
    """Return the same, or None if no event loop runs in this thread."""
    loop = asyncio._get_running_loop()  # `get_running_loop` raises without one, which takes as long as all of this
    if loop is None:
        return _trio()
    task = loop_asyncio.task_on(loop)
    if task is not None:
        return ASYNCIO, loop, task
    return _trio() or (ASYNCIO, loop, None)  # a guest of asyncio runs in callbacks of its host


def current_loop() -> Loop:
    """Return the native token of the running loop.

    Raises:
        anyio.NoEventLoopError: If no event loop runs in this thread.
    """
    loop = asyncio._get_running_loop()
    if loop is not None and "trio" not in sys.modules:  # which might be its guest
        return loop
    return current_backend()[1]


def in_event_loop() -> bool:
    """Tell whether an event loop runs in this thread."""
    return running_backend() is not None


def native_cancel_requests() -> int:
    """Return how often the task that runs this was told to stop by asyncio; elsewhere this is not counted."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        return 0
    return 0 if task is None else task.cancelling()


def _trio() -> tuple[Backend, Loop, Any] | None:
    trio: Any = sys.modules.get("trio")
    if trio is None:
        return None
    try:
        loop = trio.lowlevel.current_trio_token()
    except RuntimeError:
        return None
    from . import loop_trio

    return loop_trio, loop, loop_trio.current_task()
