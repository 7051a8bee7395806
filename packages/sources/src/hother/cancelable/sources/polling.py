"""Asking a sync predicate with each tick, for one operation."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context

from hother.cancelable.core import Fire

from .armed import nothing_to_disarm
from .ticker import current_ticker


class Polling:
    """Asks until the answer is true, or the asking fails, or nobody wants to know any more."""

    __slots__ = ("_ask", "_context", "_fire", "_message", "_remove")

    def __init__(self, ask: Callable[[], bool], fire: Fire, message: Callable[[], str]) -> None:
        self._ask = ask
        self._fire = fire
        self._message = message
        self._context = copy_context()
        self._remove: Callable[[], object] = nothing_to_disarm

    def start(self, interval: float) -> Callable[[], object]:
        """Ask now, and with each tick of an interval in seconds.

        Returns:
            A function that ends it.
        """
        if not self._tick():
            self._remove = current_ticker().add(interval, self._tick)
        return self.stop

    def stop(self) -> None:
        """Ask no more."""
        self._remove()
        self._remove = nothing_to_disarm

    def _tick(self) -> bool:
        try:
            if not self._context.run(self._ask):
                return False
            self._fire.now(self._message())
        except BaseException as error:  # asyncio's CancelledError, too, which the result of a cancelled future raises
            self._fire.fail(error)
            if isinstance(error, (KeyboardInterrupt, SystemExit)):
                self.stop()
                raise
        self.stop()
        return True
