"""A clock of trio on which waiting takes no time."""

from __future__ import annotations

import math
import threading
import time

import trio

from .clock_asyncio import SLICE
from .threads import working_threads

HOUR = 3600.0
"""A wait that trio does not shorten by itself."""

_RUN_SYNC = trio.to_thread.run_sync.__code__


class _VirtualClock(trio.abc.Clock, trio.abc.Instrument):
    """A clock for `trio.run` that starts at 0 and jumps to the next deadline where nothing else is to be done.

    Unlike `trio.testing.MockClock` it knows of threads: while one works, it goes on like a real clock. Tasks in
    `wait_all_tasks_blocked` come before a jump. See `virtual_clock`.

    Trio asks how long to sleep when no task can run. The first answer is "not at all", so that news from outside come
    in; only when nothing has run since, the clock jumps.
    """

    def __init__(self, idle_for: float = 0.0) -> None:
        self._idle_for = idle_for
        self._now = 0.0

    def start_clock(self) -> None:
        self._now = self._deadline = 0.0
        self._looked = self._working = self._rested = False
        self._offer: float | None = None
        self._slept_from: float | None = None
        self._known = frozenset(threading.enumerate())
        self._token = trio.lowlevel.current_trio_token()
        trio.lowlevel.add_instrument(self)

    def current_time(self) -> float:
        return self._now

    def jump(self, seconds: float) -> None:
        """Let time pass while nothing else runs, as if the caller had computed for so many seconds."""
        self._now += seconds

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._looked = False

    def deadline_to_sleep_time(self, deadline: float) -> float:
        remaining = max(deadline - self._now, 0)
        self._offer = None
        if not self._looked:
            self._looked, self._rested = True, not self._idle_for
            self._working = self._threads_work()  # asked first: a thread posts what it has before it is done
            return 0
        if self._working:
            self._looked, self._slept_from = False, time.monotonic()
            return min(remaining, SLICE)
        if not self._rested:
            self._rested = True
            return min(remaining, self._idle_for)
        self._deadline, self._offer = deadline, min(remaining, HOUR)
        return self._offer

    def before_io_wait(self, timeout: float) -> None:
        if self._offer is None or timeout < self._offer or self._deadline == math.inf:
            return  # somebody waits until all tasks are blocked, or nothing is to come
        self._now = self._deadline
        self._token.run_sync_soon(_wake)  # or trio would sleep

    def after_io_wait(self, timeout: float) -> None:
        if self._slept_from is not None:
            self._now += time.monotonic() - self._slept_from
            self._slept_from = None

    def _threads_work(self) -> bool:
        return bool(working_threads(self._known)) or (threading.active_count() > 1 and _awaited())


def new_clock(idle_for: float) -> object:
    """Return a clock for `trio.run`.

    Args:
        idle_for: How long nothing must have happened before the clock jumps, in real seconds.
    """
    return _VirtualClock(idle_for)


def _wake() -> None:
    """Nothing: that it is called is enough."""


def _awaited() -> bool:
    """Tell whether a task waits for a thread, which may not have begun."""
    root = trio.lowlevel.current_root_task()
    tasks = [] if root is None else [root]
    while tasks:
        task = tasks.pop()
        for frame, _ in task.iter_await_frames():
            if frame.f_code.co_filename == _RUN_SYNC.co_filename and frame.f_code.co_name == _RUN_SYNC.co_name:
                return True
        tasks += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
    return False
