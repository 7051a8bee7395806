"""Finding the backend of the running loop, quickly."""

from __future__ import annotations

import asyncio
from typing import Any

from .loop_asyncio import AsyncioBackend
from .loops import Backend, Loop, current_loop


def current_backend() -> tuple[type[Backend], Loop, Any]:
    """Return the backend of the running loop, the loop, and the task that runs this, or None outside a task.

    Raises:
        anyio.NoEventLoopError: If no event loop runs in this thread.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return _other_backend()
    task = asyncio.current_task(loop)
    # Trio as a guest of asyncio runs in callbacks of the host, where there is no asyncio task.
    return (AsyncioBackend, loop, task) if task is not None else _other_backend()


def _other_backend() -> tuple[type[Backend], Loop, Any]:
    loop = current_loop()
    if isinstance(loop, asyncio.AbstractEventLoop):
        return AsyncioBackend, loop, None
    from .loop_trio import TrioBackend

    return TrioBackend, loop, TrioBackend.current_task()
