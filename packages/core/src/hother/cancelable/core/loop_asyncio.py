"""The `Backend` for event loops of asyncio, uvloop among them."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import anyio

from .loops import Timer, place

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


def now(loop: asyncio.AbstractEventLoop) -> float:
    """Return the loop's time, which is virtual in tests with such a loop, in seconds."""
    return loop.time()


def task_name(task: asyncio.Task[Any] | None) -> str:
    """Return the task's name, as records show it."""
    return f"task {task.get_name()!r}" if task is not None else "event loop"


def new_scope() -> anyio.CancelScope:
    """Return a new scope without looking for anyio's backend each time, which takes as long as the rest."""
    global _scope_type
    if _scope_type is None:
        _scope_type = type(anyio.CancelScope())
    return _scope_type()


def call_at(loop: asyncio.AbstractEventLoop, when: float, callback: Callable[[], None]) -> Timer:
    """Set a timer.

    It has an empty context: a timer keeps its own until its time has come, even when it is cancelled, and ours would
    hold the operation.
    """
    return loop.call_at(when, callback, context=contextvars.Context())


def set_deadline(operation: Listening, when: float) -> Timer:
    """Set a timer that tells the operation."""
    return call_at(operation._loop, when, operation._expire)


def chain(scope: anyio.CancelScope) -> Iterator[Any]:
    """Yield a scope and those that it lies in.

    anyio keeps that nesting to itself. Without it links end what scopes would, which is safe.
    """
    above: Any = scope
    while above is not None:
        yield above
        above = getattr(above, "_parent_scope", None)


def stack(task: asyncio.Task[Any]) -> list[str]:
    """Return the lines of all that the task awaits, outermost first; `Task.get_stack` stops at the first."""
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
    """Return the first of some attributes that there is."""
    return next((getattr(awaited, name) for name in names if hasattr(awaited, name)), None)
