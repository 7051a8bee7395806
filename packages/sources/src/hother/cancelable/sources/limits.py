"""Limits on what a machine or a process uses, and watching whether they are reached."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import anyio

from hother.cancelable.core import current_backend

Meter = Callable[[], float | None]
"""Measures, in the unit of its limit; None where there is nothing to say yet."""

CLOCK_TICK = 0.001
"""How coarse the clock of an event loop may be, in seconds."""


class Limit(NamedTuple):
    """Something that is measured, and the value that it should not reach."""

    what: str
    value: float
    start: Callable[[], Meter]
    unit: str = "%"
    digits: int = 1

    def describe(self, measured: float) -> str:
        """Say how a measured value compares to the limit."""
        return f"{self.what} at {measured:,.{self.digits}f} {self.unit}, limit {self.value:,.15g} {self.unit}"


class WatchedLimits:
    """Limits that are watched for one operation: called, it tells whether one has been reached for long enough."""

    def __init__(self, limits: list[Limit], sustained: float) -> None:
        self.message: str = ""
        self._sustained = sustained
        self._meters = [(limit, limit.start()) for limit in limits]
        self._since: dict[str, float] = {}

    def __call__(self) -> bool:
        now = _now()
        reached = [self._is_reached(limit, meter(), now) for limit, meter in self._meters]  # each, as each has a past
        return any(reached)

    def _is_reached(self, limit: Limit, measured: float | None, now: float) -> bool:
        if measured is None:
            return False
        if measured < limit.value:
            self._since.pop(limit.what, None)
            return False
        if now - self._since.setdefault(limit.what, now) < self._sustained - CLOCK_TICK:
            return False
        self.message = limit.describe(measured)
        if self._sustained:
            self.message += f", for {self._sustained:g} s"
        return True


def cpu_meter(psutil: Any) -> Meter:
    """Return a meter of how busy the processors have been since it was read last, in percent.

    `psutil.cpu_percent` has one memory for the whole process, which others use as well.
    """
    before: tuple[float, float] | None = None

    def measure() -> float | None:
        nonlocal before
        busy, total = _cpu_seconds(psutil.cpu_times())
        if before is None:
            before = busy, total
            return None
        passed = total - before[1]
        if passed <= 0:  # the system has not counted any further
            return None
        percent = 100 * (busy - before[0]) / passed
        before = busy, total
        return min(max(percent, 0.0), 100.0)

    return measure


def _cpu_seconds(times: Any) -> tuple[float, float]:
    """Return the seconds that the processors have worked, and those that have passed on all of them."""
    spent: dict[str, float] = times._asdict()
    for counted_elsewhere in ("guest", "guest_nice"):  # as part of `user` and `nice`
        spent.pop(counted_elsewhere, None)
    total = sum(spent.values())
    return total - spent["idle"] - spent.get("iowait", 0.0), total


def _now() -> float:
    """Return the time on the clock of the event loop, or in a worker thread on the system's."""
    try:
        backend, loop, _ = current_backend()
    except anyio.NoEventLoopError:
        return time.monotonic()
    return backend.now(loop)
