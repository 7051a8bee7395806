"""The one place of a process where signals arrive for all operations that wait for them.

Python knows one handler for each signal. The first operation that waits for a signal puts the hub's in its place, the
last one puts the former handler back. Until then the hub stands in for the default action only: a handler that the
program or its server has installed is called as ever, and what was registered with `loop.add_signal_handler` hears of
the signal from the loop itself.

The handler may interrupt any line here, so the order of the lines matters: a watch is there before the handler is, and
there is no moment at which a signal finds neither the hub's handler nor the former one.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from functools import partial
from time import monotonic
from types import FrameType
from typing import Any

from hother.cancelable.core import Loop, current_loop, post

from .waking import keep_awake, let_sleep

Notify = Callable[[int], bool]
"""Tells an operation of a signal, and returns whether it has been told to stop."""

_TIME_TO_HEAR = 1.0
"""How long an event loop may take to hear of a signal, in seconds, before a further one is the second one."""

_DEFAULT_ACTIONS = {"_signal", "asyncio.runners", "trio._core._ki"}
"""The modules of handlers that nobody has asked for."""


class Watch:
    """An operation that waits for a signal."""

    __slots__ = ("loop", "notify")

    def __init__(self, loop: Loop, notify: Notify) -> None:
        self.loop: Loop = loop
        self.notify: Notify = notify


class WatchedSignal:
    """A signal that operations wait for, and the handler that it had before."""

    def __init__(self, number: int) -> None:
        self.number: int = number
        self.former: Any = _without_hub(signal.getsignal(number))
        if self.former is None:
            raise RuntimeError(
                f"{signal_name(number)} has a handler that was not installed from Python and could not be put back"
            )
        self._watches: dict[Watch, None] = {}
        self._told: dict[Watch, None] = {}
        self._stands_in = is_default(self.former)
        self._process = os.getpid()
        self._handling = False
        self._unheard_since: float | None = None
        self._loops: dict[Loop, None] = {}

    @property
    def is_of_this_process(self) -> bool:
        """Whether the process is the one whose operations wait here, and no forked child of it."""
        return os.getpid() == self._process

    @property
    def is_installed(self) -> bool:
        """Whether signals arrive here: nobody has installed another handler."""
        return self.is_of_this_process and signal.getsignal(self.number) == self.handle

    def add(self, watch: Watch) -> None:
        """Let an operation wait for the signal."""
        is_new = watch.loop not in self._loops
        if is_new:
            self._forget_closed_loops()
        self._watches[watch] = None
        try:
            if is_new:
                self._loops[watch.loop] = None
                keep_awake(watch.loop, self)
            if len(self._watches) == 1 and not self.is_installed:
                signal.signal(self.number, self.handle)
        except BaseException:
            self.remove(watch)
            raise

    def remove(self, watch: Watch) -> None:
        """Let it wait no longer; the last one puts the former handler back."""
        self._watches.pop(watch, None)
        self._told.pop(watch, None)
        if not self._watches:
            self._unheard_since = None
            while self._loops:
                let_sleep(self._loops.popitem()[0], self)
            if self.is_installed:
                signal.signal(self.number, self.former)

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Have the operations told; the handler itself may interrupt anything, and so does next to nothing."""
        if self._handling:  # in a burst it interrupts itself, and should not do so too deeply
            is_first = True
        else:
            self._handling = True
            try:
                is_first = self._post()
            finally:
                self._handling = False
        if not is_first or not self._stands_in:
            self._pass_on(number, frame)

    def _post(self) -> bool:
        """Have the loops tell the operations, and return whether the signal is a first one for any."""
        is_waited_for = self._watches and self.is_of_this_process
        loops = [loop for loop in list(self._loops) if not _is_closed(loop)] if is_waited_for else []
        for loop in loops:
            post(loop, self._tell, loop)
        return bool(loops) and not self._told and not self._is_overdue()

    def _is_overdue(self) -> bool:
        """Tell whether an earlier signal still waits for a blocked loop; if there is none, note that this one waits."""
        now = monotonic()
        if self._unheard_since is None:
            self._unheard_since = now
        return now - self._unheard_since >= _TIME_TO_HEAR

    def _tell(self, loop: Loop) -> None:
        self._unheard_since = None
        untold = [watch for watch in self._watches if watch.loop is loop and watch not in self._told]
        told = [watch for watch in untold if watch.notify(self.number)]
        # All at once: before that, a further signal is still the first one.
        self._told.update(dict.fromkeys(watch for watch in told if watch in self._watches))

    def _forget_closed_loops(self) -> None:
        """Let go of operations that were never left: their loops have closed and will not run them any more."""
        for watch in [watch for watch in self._watches if _is_closed(watch.loop)]:
            self.remove(watch)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        former = self.former
        if callable(former):
            former(number, frame)
        elif former is signal.SIG_DFL:
            installed = signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
            signal.signal(number, installed)  # that was survived, as SIGCONT or SIGCHLD are


def watch(number: int, notify: Notify) -> Callable[[], None]:
    """Have `notify` called on the running loop when the process receives a signal.

    Returns:
        A function that ends it. As long as it was not called after `notify` has returned true, a further signal is the
        second one.

    Raises:
        RuntimeError: Outside the main thread, for SIGCHLD on uvloop, or if the former handler could not be put back.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError(
            f"signals are received by the main thread alone, so nothing can wait for {signal_name(number)} in another "
            "one: install a handler in the main thread that calls `token.cancel_sync`, and use the token here"
        )
    loop = current_loop()
    if number == getattr(signal, "SIGCHLD", None) and _is_uvloop(loop):  # its handler is none of Python's and not seen
        raise RuntimeError("uvloop keeps SIGCHLD for itself; wait for a process with ProcessSource")
    watched = _hub_of(signal.getsignal(number))
    if watched is None or not watched.is_of_this_process:
        watched = WatchedSignal(number)
    each = Watch(loop, notify)
    watched.add(each)
    return partial(watched.remove, each)


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


def _is_closed(loop: Loop) -> bool:
    return isinstance(loop, asyncio.AbstractEventLoop) and loop.is_closed()  # trio leaves nothing to itself


def _is_uvloop(loop: Loop) -> bool:
    return any(base.__module__.split(".")[0] == "uvloop" for base in type(loop).__mro__)


def _hub_of(handler: Any) -> WatchedSignal | None:
    owner = getattr(handler, "__self__", None)
    return owner if isinstance(owner, WatchedSignal) else None


def _without_hub(handler: Any) -> Any:
    """Return what was there before the hub of the process that this one was forked from."""
    while (hub := _hub_of(handler)) is not None:
        handler = hub.former
    return handler
