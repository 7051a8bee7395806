"""The event loop of trio."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import anyio
import trio

from .backend import running_backend
from .loops import Backend, Timer, place, post
from .stuck import stuck_is_reported

if TYPE_CHECKING:
    from .listening import Listening


class TrioBackend(Backend):
    """An operation under `trio.run`."""

    @staticmethod
    def current_task() -> trio.lowlevel.Task | None:
        try:
            return trio.lowlevel.current_task()
        except RuntimeError:  # a signal handler between two steps of tasks
            return None

    @staticmethod
    def now(loop: trio.lowlevel.TrioToken) -> float:
        return trio.current_time()

    @staticmethod
    def task_name(task: trio.lowlevel.Task | None) -> str:
        return f"task {task.name!r}" if task is not None else "event loop"

    @staticmethod
    def new_scope() -> anyio.CancelScope:
        return anyio.CancelScope()

    @staticmethod
    def call_at(loop: trio.lowlevel.TrioToken, when: float, callback: Callable[[], None]) -> Timer:
        scope = trio.CancelScope()
        trio.lowlevel.spawn_system_task(_call_at, when, callback, scope, name=callback)
        return scope

    @staticmethod
    def set_deadline(operation: Listening, when: float) -> Timer:
        relay = _DeadlineRelay(operation, when)
        if operation._scope is not None:
            operation._scope.deadline = when
        return relay

    @staticmethod
    def chain(scope: anyio.CancelScope) -> Iterator[Any]:
        # trio keeps the nesting of scopes to itself; without it links end what scopes would, which is safe
        status = getattr(getattr(scope, "_CancelScope__original", None), "_cancel_status", None)
        while status is not None:
            yield status._scope
            status = status._parent

    @staticmethod
    def stack(task: trio.lowlevel.Task) -> list[str]:
        frames = task.iter_await_frames()
        return traceback.format_list([traceback.FrameSummary(*place(f, line)) for f, line in frames])


def _cancel_called(scope: anyio.CancelScope, *, is_here: bool) -> bool:
    if is_here:
        return scope.cancel_called
    # in another thread, which may run a loop of its own, the property would look at that one's clock and cancel there
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
        is_here = here is self._operation._loop
        if scope is not None and not self._cancelled and _cancel_called(scope, is_here=is_here):
            self._operation._token._facts.pop("settle", None)
            self._operation._request_timeout(here)

    def _heard(self) -> None:
        post(self._operation._loop, self._start)

    def _start(self) -> None:
        if self._timer is None and not self._cancelled:
            self._timer = TrioBackend.call_at(self._operation._loop, self._when, self._operation._expire)

    def cancel(self) -> None:
        self._cancelled = True
        self._operation._token._facts.pop("on_listen", None)
        self._operation._token._facts.pop("settle", None)
        if self._timer is not None:
            self._timer.cancel()
