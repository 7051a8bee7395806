"""Letting signals wake an asyncio loop that is just going to sleep; the other loops are woken by every signal.

A handler of Python runs between two lines of Python. Where the signal comes just before the loop waits for its sockets,
that is when the wait ends, unless the signal has written to the loop's wakeup descriptor. asyncio sets that while its
table has handlers, and takes it away with the last of them. So there is an entry in the table while operations wait;
not under their signals, where `loop.remove_signal_handler` would find it and set the default action, but under one that
debuggers send and no program handles on a loop. What asyncio finds in the descriptor without an entry, it ignores.
"""

from __future__ import annotations

import asyncio
import signal
from typing import Any

from hother.cancelable.core import Loop


class _Waker:
    """What an asyncio loop needs to be woken by signals, and what was there before."""

    def __init__(self, loop: Any) -> None:
        self.loop: Any = loop
        self.descriptor: int = loop._csock.fileno()
        self.former = -1
        self.users: set[object] = set()
        self._entry = asyncio.Handle(_nothing, (), loop)
        loop._signal_handlers.setdefault(signal.SIGTRAP, self._entry)

    def claim(self) -> None:
        """Have signals write to the loop's descriptor, and note where they wrote before."""
        former = _set_wakeup(self.descriptor)
        if former != self.descriptor:
            self._let_go()
            self.former = former

    def stop(self) -> None:
        """Put back what the program had set before, unless it or asyncio needs another one by now."""
        if self.loop.is_closed():  # closing, it has cleared its table and the descriptor
            return
        handlers = self.loop._signal_handlers
        if handlers.get(signal.SIGTRAP) is self._entry:
            del handlers[signal.SIGTRAP]
        self._let_go()
        if not handlers:
            current = _set_wakeup(self.former)
            if current != self.descriptor:
                _set_wakeup(current)

    def _let_go(self) -> None:
        """Have no other loop put back this one's descriptor, which may be closed by then."""
        for other in _wakers.values():
            if other.former == self.descriptor:
                other.former = self.former


_wakers: dict[Loop, _Waker] = {}


def keep_awake(loop: Any, user: object) -> None:
    """Have every signal wake a loop, until all users have called `let_sleep`."""
    if not hasattr(loop, "_signal_handlers") or getattr(loop, "_csock", None) is None:  # not asyncio's own
        return
    if loop not in _wakers:
        _wakers[loop] = _Waker(loop)
    _wakers[loop].users.add(user)
    _wakers[loop].claim()


def let_sleep(loop: Loop, user: object) -> None:
    """Leave the waking to the loop again, as soon as nobody else needs it."""
    if (waker := _wakers.get(loop)) is not None:
        waker.users.discard(user)
        if not waker.users:
            del _wakers[loop]
            waker.stop()


def _set_wakeup(descriptor: int) -> int:
    """Have signals write to a descriptor, or nowhere if it is closed, and return where they wrote before."""
    try:
        return signal.set_wakeup_fd(descriptor, warn_on_full_buffer=False)
    except (OSError, ValueError):
        return signal.set_wakeup_fd(-1)


def _nothing() -> None:
    """Be a handler of asyncio's."""
