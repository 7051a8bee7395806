"""A source that fires when the process receives a signal."""

from __future__ import annotations

import functools
import signal
import sys
from contextlib import ExitStack
from typing import ClassVar

from hother.cancelable import CancelationReason
from hother.cancelable.core import Disarm, Fire

from .armed import ArmedSource
from .hub import signal_name, watch


class SignalSource(ArmedSource):
    """Fires when the process receives one of some signals.

    Any number of operations may wait for the same signal, and all of them end. They stand in for its default action:
    the process is not killed, and Ctrl-C raises no `KeyboardInterrupt`. The same signal again, while the operations
    that the first one ended still clean up, has its default effect; so a second Ctrl-C stops a program that hangs.
    Signals that come before the operations could be told count as one, but one that comes 1 s or more after the first
    of them has its default effect, too; so Ctrl-C also stops a program that blocks its event loop. A handler that the
    program or its server has installed is called at each signal, as ever. When the last operation has been left, the
    handler is what it was before.

    An operation with such a source must run in the main thread. On Windows there are `SIGINT` and `SIGBREAK`; uvloop
    keeps `SIGCHLD` for itself, so entering an operation with that is a RuntimeError there.

    Args:
        *signals: Their numbers, like `signal.SIGTERM`.

    Raises:
        TypeError: If a signal is no number.
        ValueError: Without signals, and for those that the system does not know or that no process can receive.
    """

    reason: ClassVar[CancelationReason] = CancelationReason.SIGNAL

    def __init__(self, *signals: int) -> None:
        if not signals:
            raise ValueError("SignalSource needs at least one signal, like signal.SIGTERM")
        for number in signals:
            _require_receivable(number)
        self.signals: tuple[int, ...] = tuple(dict.fromkeys(signals))
        self.name: str = ", ".join(map(signal_name, self.signals))

    def arm(self, fire: Fire) -> Disarm:
        """Wait for the signals at the process's hub."""

        def notify(number: int) -> bool:
            fire.now(f"received {signal_name(number)}")
            return fire.is_over  # not yet where a further source must fire, too

        with ExitStack() as watched:
            for number in self.signals:
                watched.callback(watch(number, notify))
            return watched.pop_all().close

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name})"


@functools.cache
def _known_signals() -> frozenset[int]:
    return frozenset(signal.valid_signals())  # which takes Python 0.1 ms to find out


def _require_receivable(number: object) -> None:
    if isinstance(number, bool) or not isinstance(number, int):
        raise TypeError(f"a signal is a number like signal.SIGTERM, not {number!r}")
    if sys.platform == "win32":
        if number not in {signal.SIGINT, signal.SIGBREAK}:
            raise ValueError(f"on Windows a process receives SIGINT and SIGBREAK, not {signal_name(number)}")
        return
    if number not in _known_signals():
        raise ValueError(f"this system knows no signal {number!r}")
    if number in {signal.SIGKILL, signal.SIGSTOP}:
        raise ValueError(f"{signal_name(number)} ends or stops a process without telling it; wait for SIGTERM instead")
