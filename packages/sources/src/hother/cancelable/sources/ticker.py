"""One ticker for each event loop: everything that is polled at the same interval is asked in one go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

import anyio
from anyio.lowlevel import RunVar

from hother.cancelable.core import current_backend

from .armed import nothing_to_disarm

if TYPE_CHECKING:
    from hother.cancelable.core import Timer

Callback = Callable[[], object]


class Ticker:
    """Calls callbacks at intervals, with one timer for all those that have the same interval."""

    __slots__ = ("_callbacks", "_crowds", "_timers")

    def __init__(self) -> None:  # without its loop, which it would keep alive: a RunVar holds it as long as the loop
        self._callbacks: dict[float, dict[Callback, None]] = {}
        self._crowds: dict[float, _Crowd] = {}
        self._timers: dict[float, Timer] = {}

    def add(self, interval: float, callback: Callback) -> Callback:
        """Call `callback` with each tick, the first of which comes after one interval at most.

        Args:
            interval: In seconds.
            callback: What to call. What it raises reaches the event loop, except that trio, which would take itself
                for broken, is not left by `SystemExit` or `KeyboardInterrupt`.

        Returns:
            A function that takes the callback off again.
        """
        if interval not in self._callbacks:
            self._callbacks[interval] = {}
            self._schedule(interval)
        self._callbacks[interval][callback] = None
        return lambda: self._remove(interval, callback)

    async def wait(self, interval: float) -> None:
        """Wait for the next tick, on one event with all the others that do."""
        crowd = self._crowds.get(interval)
        if crowd is None:
            crowd = self._crowds[interval] = _Crowd()
            crowd.leave = self.add(interval, crowd.wake)
        if crowd.event is None:
            crowd.event = anyio.Event()
        crowd.size += 1
        try:
            await crowd.event.wait()
        finally:
            crowd.size -= 1
            if not crowd.size:
                del self._crowds[interval]
                crowd.leave()

    def _remove(self, interval: float, callback: Callback) -> None:
        callbacks = self._callbacks.get(interval, {})
        if callback in callbacks:
            del callbacks[callback]
            if not callbacks:
                del self._callbacks[interval]
                self._timers.pop(interval).cancel()

    def _schedule(self, interval: float) -> None:
        backend, loop, _ = current_backend()
        self._timers[interval] = backend.call_at(loop, backend.now(loop) + interval, lambda: self._tick(interval))

    def _tick(self, interval: float) -> None:
        callbacks = self._callbacks[interval]
        self._schedule(interval)
        for callback in list(callbacks):
            if callback in callbacks:  # none before has taken it off
                _call(callback)


class _Crowd:
    """The tasks that wait for the next tick of an interval."""

    __slots__ = ("event", "leave", "size")

    def __init__(self) -> None:
        self.event: anyio.Event | None = None
        self.leave: Callback = nothing_to_disarm
        self.size = 0

    def wake(self) -> None:
        """Wake them; those who come from now on wait for the tick after this one."""
        if self.event is not None:
            self.event.set()
            self.event = None


def _call(callback: Callback) -> None:
    try:
        callback()
    except (KeyboardInterrupt, SystemExit):
        if isinstance(current_backend()[1], asyncio.AbstractEventLoop):
            raise


_ticker: RunVar[Ticker] = RunVar("hother.cancelable.sources.ticker")


def current_ticker() -> Ticker:
    """Return the ticker of the running loop."""
    ticker = _ticker.get(None)
    if ticker is None:
        ticker = Ticker()
        _ticker.set(ticker)
    return ticker
