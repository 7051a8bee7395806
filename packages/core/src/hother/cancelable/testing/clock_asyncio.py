"""An asyncio event loop on which waiting takes no time."""

from __future__ import annotations

import asyncio
import math
import selectors
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple, Unpack

from .threads import working_threads

T = TypeVar("T")
Args = TypeVarTuple("Args")

SLICE = 0.02
"""How long the loop waits for threads before it looks whether they still work, in seconds."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio event loop whose clock starts at 0 and jumps to the next timer where nothing else is to be done.

    While a thread works, the clock goes on like a real one. See `virtual_clock`.

    Args:
        idle_for: How long nothing must have happened before the clock jumps, in real seconds.
    """

    def __init__(self, idle_for: float = 0.0) -> None:
        self._known: frozenset[threading.Thread] = frozenset(threading.enumerate())
        self._jobs: set[asyncio.Future[Any]] = set()
        self._virtual = _JumpingSelector(self._threads_work, idle_for)
        super().__init__(self._virtual)

    def time(self) -> float:
        """Return the time of the virtual clock, in seconds."""
        return self._virtual.now

    def jump(self, seconds: float) -> None:
        """Let time pass while nothing else runs, as if the caller had computed for so many seconds."""
        self._virtual.now += seconds

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Args]], T], *args: *Args
    ) -> asyncio.Future[T]:
        """Do the same as other loops, and know of the job until it is done."""
        job = super().run_in_executor(executor, func, *args)
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)
        return job

    def _threads_work(self) -> bool:
        return bool(self._jobs or working_threads(self._known))


class _JumpingSelector(selectors.DefaultSelector):
    """A selector that moves its clock instead of sleeping."""

    def __init__(self, threads_work: Callable[[], bool], idle_for: float) -> None:
        super().__init__()
        self.now = 0.0
        self._threads_work = threads_work
        self._idle_for = idle_for

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            return super().select(None)  # only the world outside can act: a thread, a socket, a signal
        working = timeout > 0 and self._threads_work()  # asked first: a thread posts what it has before it is done
        ready = super().select(0)
        if ready or timeout <= 0:
            return ready
        if working:
            return self._wait(min(timeout, SLICE))
        ready = super().select(min(timeout, self._idle_for)) if self._idle_for else ready
        if not ready:
            self.now = math.nextafter(self.now + timeout, math.inf)
        return ready

    def _wait(self, seconds: float) -> Any:
        started = time.monotonic()
        ready = super().select(seconds)
        self.now += time.monotonic() - started
        return ready
