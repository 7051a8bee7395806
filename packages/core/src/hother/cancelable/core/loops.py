"""The few things asked of an event loop that anyio has no name for, on asyncio (uvloop too) and trio."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any, Protocol

import anyio

if TYPE_CHECKING:
    from .listening import Listening

Loop = Any
"""A native loop token: an asyncio event loop, or a `trio.lowlevel.TrioToken`."""


class Timer(Protocol):
    """A call that was put off and can be called off."""

    def cancel(self) -> object:
        """Call it off."""


class Backend(Protocol):
    """What an operation needs to know of the loop that it runs on.

    The modules `loop_asyncio` and `loop_trio` are backends: Python finds a function of a module faster than one that a
    class or an instance provides.
    """

    def current_task(self) -> Any:
        """Return the native task that runs this, or None outside a task."""
        ...

    def task_on(self, loop: Loop, /) -> Any:
        """Return the native task that a loop runs now, or None; in another thread than the loop's it may be none.

        On asyncio in Python 3.11 it takes a tenth of the time that `current_task` takes, which asks for the process id.
        """
        ...

    def now(self, loop: Loop) -> float:
        """Return the time on the loop's clock, in seconds."""
        ...

    def task_name(self, task: Any) -> str:
        """Return what a record calls a task."""
        ...

    def new_scope(self) -> anyio.CancelScope:
        """Return a new cancel scope."""
        ...

    def call_at(self, loop: Loop, when: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` on the loop at a time on its clock."""
        ...

    def set_deadline(self, operation: Listening, when: float) -> Timer | None:
        """Have an operation expire at a time on the loop's clock, in place of any deadline before."""
        ...

    def chain(self, scope: anyio.CancelScope) -> Iterator[Any]:
        """Yield the backend's own object for a scope, and for those that it lies in, as far as that can be told."""
        ...

    def stack(self, task: Any) -> list[str]:
        """Return the lines at which a task sits, outermost first."""
        ...


def encloses(backend: Backend, outer: anyio.CancelScope, inner: anyio.CancelScope) -> bool:
    """Tell whether one scope lies in another."""
    target = next(backend.chain(outer), None)
    return target is not None and any(scope is target for scope in backend.chain(inner))


def reaches(backend: Backend, outer: anyio.CancelScope, inner: anyio.CancelScope) -> bool:
    """Tell whether one scope lies in another with no shield between them, so that it is cancelled with it."""
    target = next(backend.chain(outer), None)
    for scope in backend.chain(inner):
        if scope is target or scope.shield:
            return scope is target
    return False


def place(frame: FrameType, line: int) -> tuple[str, int, str]:
    """Return the file, line and function of a frame, as tracebacks name them."""
    return frame.f_code.co_filename, line, frame.f_code.co_name


def post(loop: Loop, callback: Callable[..., object], *args: object) -> bool:
    """Have the loop call `callback` soon, from any thread or signal handler; return False where it has closed."""
    schedule = loop.call_soon_threadsafe if isinstance(loop, asyncio.AbstractEventLoop) else loop.run_sync_soon
    try:
        schedule(callback, *args)
    except RuntimeError:  # closed: nothing runs there that could be told
        return False
    return True
