"""A task beside the one that handles the request, without a task group around the app.

A task group costs several times as much as everything else here, and wraps the app's exceptions. So the task is
started with what the backend itself offers, and whoever has started it ends it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Protocol

import anyio

from hother.cancelable.core import Loop, current_loop

if TYPE_CHECKING:
    import trio

Work = Callable[[], Coroutine[Any, Any, None]]
"""What the task does. It must handle its own exceptions."""


class TaskBeside(Protocol):
    """A task that runs until it is stopped."""

    async def stop(self) -> None:
        """Cancel the task and return when it has ended, also where the caller is cancelled meanwhile."""


def runs_here(loop: Loop) -> bool:
    """Tell whether this code runs on the loop, and not in a thread or on another one."""
    try:
        return current_loop() is loop
    except anyio.NoEventLoopError:
        return False


def start_beside(loop: Loop, work: Work) -> TaskBeside:
    """Start a task on the running loop."""
    return _AsyncioTask(loop, work) if isinstance(loop, asyncio.AbstractEventLoop) else _TrioTask(work)


class _AsyncioTask:
    __slots__ = ("_task",)

    def __init__(self, loop: asyncio.AbstractEventLoop, work: Work) -> None:
        self._task = loop.create_task(work(), name="watch for the client leaving")

    async def stop(self) -> None:
        self._task.cancel()
        interruption: asyncio.CancelledError | None = None
        turns = 0
        while not self._task.done():
            try:
                # One turn of the loop is nearly always enough, and much cheaper.
                await (asyncio.wait((self._task,)) if turns else asyncio.sleep(0))
            except asyncio.CancelledError as error:
                interruption = error
            turns += 1
        if interruption is not None:
            try:
                raise interruption
            finally:
                del interruption


class _TrioTask:
    __slots__ = ("_ended", "_scope")

    def __init__(self, work: Work) -> None:
        import trio

        self._scope = trio.CancelScope()
        self._ended = trio.Event()
        trio.lowlevel.spawn_system_task(
            _run, work, self._scope, self._ended, name="watch for the client leaving", context=copy_context()
        )

    async def stop(self) -> None:
        import trio

        self._scope.cancel()
        with trio.CancelScope(shield=True):
            await self._ended.wait()


async def _run(work: Work, scope: trio.CancelScope, ended: trio.Event) -> None:
    try:
        with scope:
            await work()
    finally:
        ended.set()
