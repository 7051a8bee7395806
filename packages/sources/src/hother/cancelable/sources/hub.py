"""The one place of a process where signals arrive for all operations that wait for them.

Python knows one handler for each signal. The first operation that waits for a signal puts the hub's in its place, the
last one puts the former handler back. Until then the hub stands in for the default action only: a handler that the
program or its server has installed is called as ever, and what was registered with `loop.add_signal_handler` hears of
the signal from the loop itself.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from hother.cancelable.core import Loop, current_loop, post

Notify = Callable[[int], object]

_DEFAULT_ACTIONS = {"_signal", "asyncio.runners", "trio._core._ki"}
"""The modules of handlers that nobody has asked for."""


class Watch:
    """An operation that waits for a signal."""

    __slots__ = ("loop", "notify", "told")

    def __init__(self, loop: Loop, notify: Notify) -> None:
        self.loop = loop
        self.notify = notify
        self.told = False


class WatchedSignal:
    """A signal that operations wait for, and the handler that it had before."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.watches: dict[Watch, None] = {}
        self._process = os.getpid()
        self.former = signal.getsignal(number)
        if self.former is None:
            raise RuntimeError(
                f"{signal_name(number)} has a handler that was not installed from Python and could not be put back"
            )
        self._waker = _let_wake(number)
        signal.signal(number, self._handle)

    def restore(self) -> None:
        """Put the former handler back, unless somebody has installed another one meanwhile."""
        if signal.getsignal(self.number) == self._handle:
            if self._waker is not None and not self._waker.is_closed():
                self._waker.remove_signal_handler(self.number)
            signal.signal(self.number, self.former)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        """Have the operations told; the handler itself may interrupt anything, and so does next to nothing."""
        watches = list(self.watches) if os.getpid() == self._process else []  # a forked child runs none of them
        for loop in {watch.loop for watch in watches if not watch.told}:
            post(loop, self._tell, loop)
        if not watches or any(watch.told for watch in watches) or not is_default(self.former):
            self._pass_on(number, frame)

    def _tell(self, loop: Loop) -> None:
        for watch in [each for each in self.watches if each.loop is loop and not each.told]:
            watch.told = True
            watch.notify(self.number)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        former = self.former
        if callable(former):
            former(number, frame)
        elif former is signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
            signal.signal(number, self._handle)  # that was survived, as SIGCONT or SIGCHLD are


_watched: dict[int, WatchedSignal] = {}


def watch(number: int, notify: Notify) -> Callable[[], None]:
    """Have `notify` called on the running loop when the process receives a signal.

    Returns:
        A function that ends it. As long as it was not called after the signal has come, a further signal is the second
        one.

    Raises:
        RuntimeError: Outside the main thread, or if the former handler could not be put back.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError(
            f"signals are received by the main thread alone, so nothing can wait for {signal_name(number)} in another "
            "one: install a handler in the main thread that calls `token.cancel_sync`, and use the token here"
        )
    if number not in _watched:
        _watched[number] = WatchedSignal(number)
    watched = _watched[number]
    each = Watch(current_loop(), notify)
    watched.watches[each] = None

    def unwatch() -> None:
        watched.watches.pop(each, None)
        if not watched.watches and _watched.get(number) is watched:
            del _watched[number]
            watched.restore()

    return unwatch


def is_default(handler: Any) -> bool:
    """Tell whether a handler is the default action of the system or, for Ctrl-C, that of Python, asyncio or trio."""
    function = getattr(handler, "func", handler)  # asyncio's own is a functools.partial
    return not callable(handler) or getattr(function, "__module__", None) in _DEFAULT_ACTIONS


def signal_name(number: int) -> str:
    """Return what people call a signal."""
    try:
        return signal.Signals(number).name
    except ValueError:  # one of the real-time signals between the first and the last
        return f"signal {number}"


def _let_wake(number: int) -> asyncio.AbstractEventLoop | None:
    """Have a signal wake an asyncio loop that is just going to sleep; the others are woken by every signal.

    A handler of Python runs between two lines of Python. Where the signal comes just before the loop waits for its
    sockets, that is when the wait ends. A handler of the loop makes asyncio set a wakeup descriptor.

    Returns:
        The loop, if it was asked to.
    """
    loop: Any = current_loop()
    if number in getattr(loop, "_signal_handlers", {number: None}):  # it has a handler, or is not asyncio's own
        return None
    waker: asyncio.AbstractEventLoop = loop
    waker.add_signal_handler(number, lambda: None)
    return waker
