"""The `Backend` for trio."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import anyio
import trio
import trio.abc

from .backend import running_backend
from .loops import Loop, Timer, place, post
from .stuck import stuck_is_reported

if TYPE_CHECKING:
    from .listening import Listening


_clocks: WeakKeyDictionary[trio.lowlevel.TrioToken, trio.abc.Clock] = WeakKeyDictionary()
"""The clocks of loops that operations were entered in; trio itself shows a thread no more than its own loop's."""


def current_task() -> trio.lowlevel.Task | None:
    """Return the task that runs this, or None in a signal handler between two steps of tasks."""
    try:
        return trio.lowlevel.current_task()
    except RuntimeError:
        return None


def task_on(loop: trio.lowlevel.TrioToken) -> trio.lowlevel.Task | None:
    """Return the task that runs this, since trio shows no other."""
    return current_task()


def now(loop: trio.lowlevel.TrioToken) -> float:
    """Return the loop's time, which may be that of a mock clock, in seconds; in any thread."""
    clock = _clocks.get(loop)
    if clock is None:
        clock = _clocks[loop] = trio.lowlevel.current_clock()
    return clock.current_time()


def task_name(task: trio.lowlevel.Task | None) -> str:
    """Return the name that trio gave the task, as records show it."""
    return f"task {task.name!r}" if task is not None else "event loop"


def new_scope() -> anyio.CancelScope:
    """Return a new scope."""
    return anyio.CancelScope()


def call_at(loop: trio.lowlevel.TrioToken, when: float, callback: Callable[[], None]) -> Timer:
    """Start a system task that sleeps until then, since trio has no timers."""
    scope = trio.CancelScope()
    trio.lowlevel.spawn_system_task(_call_at, when, callback, scope, name=callback)
    return scope


def set_deadline(operation: Listening, when: float) -> Timer:
    """Set the deadline of the operation's scope."""
    relay = _DeadlineRelay(operation, when)
    if operation._scope is not None:
        operation._scope.deadline = when
    return relay


def chain(scope: anyio.CancelScope) -> Iterator[Any]:
    """Yield trio's own object for a scope, and for those that it lies in.

    trio keeps that nesting to itself. Without it links end what scopes would, which is safe.
    """
    status = getattr(getattr(scope, "_CancelScope__original", None), "_cancel_status", None)
    while status is not None:
        yield status._scope
        status = status._parent


def stack(task: trio.lowlevel.Task) -> list[str]:
    """Return the lines of all frames between the task and what it waits for, outermost first."""
    frames = task.iter_await_frames()
    return traceback.format_list([traceback.FrameSummary(*place(f, line)) for f, line in frames])


def _was_cancelled(scope: anyio.CancelScope) -> bool:
    """Tell whether a scope was cancelled, without a look at the clock: the property would cancel it if it is late."""
    return bool(getattr(getattr(scope, "_CancelScope__original", None), "_cancel_called", False))


async def _call_at(when: float, callback: Callable[[], None], scope: trio.CancelScope) -> None:
    with scope:
        await trio.sleep_until(when)
        callback()


class _DeadlineRelay:
    """Tells those who listen to an operation's token of its deadline.

    Trio has no timers, only deadlines of scopes and tasks that sleep. The scope interrupts the body without a task;
    so one is started only when somebody else listens, too.
    """

    def __init__(self, operation: Listening, when: float) -> None:
        self._operation = operation
        self._when = when
        self._timer: Timer | None = None
        self._cancelled = False
        facts = operation._token._facts
        facts["on_listen"] = self._heard
        facts["settle"] = self._settle
        if facts.get("listeners") or operation._observers or stuck_is_reported():
            self._start()

    def _settle(self) -> None:
        """Record the deadline, if the scope knows of it and nobody else does."""
        scope, asking = self._operation._scope, running_backend()
        here = None if asking is None else asking[1]
        # another thread may run a loop of its own, whose clock tells nothing of this one
        if scope is not None and (scope.cancel_called if here is self._operation._loop else _was_cancelled(scope)):
            self._request(here)

    def _request(self, here: Loop | None) -> None:
        if not self._cancelled:
            self._operation._token._facts.pop("settle", None)
            self._operation._request_timeout(here)

    def _heard(self) -> None:
        post(self._operation._loop, self._start)

    def _start(self) -> None:
        if self._timer is None and not self._cancelled:
            self._timer = call_at(self._operation._loop, self._when, self._operation._expire)

    def cancel(self) -> None:
        scope = self._operation._scope
        if scope is not None and _was_cancelled(scope):
            self._request(self._operation._loop)  # it is too late for another deadline
        self._cancelled = True
        self._operation._token._facts.pop("on_listen", None)
        self._operation._token._facts.pop("settle", None)
        if self._timer is not None:
            self._timer.cancel()
