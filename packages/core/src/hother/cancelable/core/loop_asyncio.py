"""Event loops of asyncio, uvloop among them."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import anyio

from .loops import Backend, Timer, place

if TYPE_CHECKING:
    from .listening import Listening

_scope_type: type[anyio.CancelScope] | None = None

task_on: Callable[[asyncio.AbstractEventLoop], asyncio.Task[Any] | None] = asyncio.current_task
"""Returns the task that a loop runs now, or None."""
current_task: Callable[[], asyncio.Task[Any] | None] = asyncio.current_task
"""Returns the task that runs this, or None."""

if not TYPE_CHECKING and sys.version_info < (3, 12):  # 3.11 has it in Python, where it takes three times as long
    task_on = asyncio.tasks._current_tasks.get

    def current_task() -> asyncio.Task[Any] | None:
        """Return the task that runs this, or None."""
        return task_on(asyncio._get_running_loop())


class AsyncioBackend(Backend):
    """An operation on an asyncio event loop."""

    # not wrapped, since a function around it takes as long again on the hot path
    current_task: ClassVar[Callable[[], asyncio.Task[Any] | None]] = staticmethod(current_task)  # pyright: ignore[reportIncompatibleMethodOverride]

    @staticmethod
    def now(loop: asyncio.AbstractEventLoop) -> float:
        return loop.time()

    @staticmethod
    def task_name(task: asyncio.Task[Any] | None) -> str:
        return f"task {task.get_name()!r}" if task is not None else "event loop"

    @staticmethod
    def new_scope() -> anyio.CancelScope:
        # anyio.CancelScope() looks for its backend each time, which takes as long as the rest
        global _scope_type
        if _scope_type is None:
            _scope_type = type(anyio.CancelScope())
        return _scope_type()

    @staticmethod
    def call_at(loop: asyncio.AbstractEventLoop, when: float, callback: Callable[[], None]) -> Timer:
        # A timer keeps its context until its time has come, even when it is cancelled; ours would hold the operation.
        return loop.call_at(when, callback, context=contextvars.Context())

    @staticmethod
    def set_deadline(operation: Listening, when: float) -> Timer:
        return AsyncioBackend.call_at(operation._loop, when, operation._expire)

    @staticmethod
    def chain(scope: anyio.CancelScope) -> Iterator[Any]:
        # anyio keeps the nesting of scopes to itself; without it links end what scopes would, which is safe
        above: Any = scope
        while above is not None:
            yield above
            above = getattr(above, "_parent_scope", None)

    @staticmethod
    def stack(task: asyncio.Task[Any]) -> list[str]:
        awaited: Any = task.get_coro()
        places: list[traceback.FrameSummary] = []
        while awaited is not None:
            frame = _first(awaited, "cr_frame", "gi_frame", "ag_frame")
            if frame is not None:
                places.append(traceback.FrameSummary(*place(frame, frame.f_lineno)))
            awaited = _first(awaited, "cr_await", "gi_yieldfrom", "ag_await") or _generator_behind(awaited)
        return traceback.format_list(places)


def _generator_behind(awaited: object) -> object:
    """Return the async generator whose step is awaited; the step shows it to nobody but the garbage collector."""
    kind = type(awaited).__name__
    return gc.get_referents(awaited)[0] if kind.startswith(("async_generator_a", "anext_awaitable")) else None


def _first(awaited: object, *names: str) -> Any:
    """Return the first of some attributes that there is; `Task.get_stack` shows no more than the outermost frame."""
    return next((getattr(awaited, name) for name in names if hasattr(awaited, name)), None)
