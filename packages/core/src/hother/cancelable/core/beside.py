"""A task beside the current one that outlives the function that starts it, without a task group around its consumer.

A task group has to be left in the function that enters it, costs several times as much, and wraps exceptions. So the
task is started with what the backend itself offers, and whoever has started it ends it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Protocol

import anyio

from .loops import Loop

if TYPE_CHECKING:
    import trio

Work = Callable[[], Coroutine[Any, Any, None]]
"""What the task does. It must handle its own exceptions."""


class TaskBeside(Protocol):
    """A task that runs until it is stopped."""

    async def stop(self) -> None:
        """Cancel the task and return when it has ended, also where the caller is cancelled meanwhile."""


def start_beside(loop: Loop, work: Work, name: str) -> TaskBeside:
    """Start a task on the running loop, in a copy of the current context."""
    return _AsyncioTask(loop, work, name) if isinstance(loop, asyncio.AbstractEventLoop) else _TrioTask(work, name)


class _AsyncioTask:
    __slots__ = ("_task",)

    def __init__(self, loop: asyncio.AbstractEventLoop, work: Work, name: str) -> None:
        self._task = loop.create_task(work(), name=name)

    async def stop(self) -> None:
        self._task.cancel()
        interruption: asyncio.CancelledError | None = None
        try:
            await asyncio.sleep(0)  # one turn of the loop is nearly always enough, and much cheaper
        except asyncio.CancelledError as error:
            interruption = error
        while not self._task.done():
            try:
                with anyio.CancelScope(shield=True):  # a scope that is cancelled would interrupt in every turn
                    await asyncio.wait((self._task,))
            except asyncio.CancelledError as error:
                interruption = error
        if interruption is not None:
            try:
                raise interruption
            finally:
                del interruption


class _TrioTask:
    __slots__ = ("_ended", "_scope")

    def __init__(self, work: Work, name: str) -> None:
        import trio

        self._scope = trio.CancelScope()
        self._ended = trio.Event()
        trio.lowlevel.spawn_system_task(_run, work, self._scope, self._ended, name=name, context=copy_context())

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
