"""A signal ends every operation that waits for it, wherever that is."""

from __future__ import annotations

import signal

import pytest

from . import signal_programs as programs
from .signal_running import LOOPS, check, program

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="needs POSIX signals")

each_loop = pytest.mark.parametrize("loop", LOOPS)


@each_loop
def test_one_operation(loop: str) -> None:
    """A signal from another process ends an operation; the record names the signal, and the program goes on."""
    with program(programs.waits, loop) as running:
        running.says("waiting")
        running.receives(signal.SIGTERM)
        running.ends("ended")


@each_loop
def test_several_operations(loop: str) -> None:
    """All operations that wait for a signal end, in several tasks and within one another; others' signals are left."""
    check(programs.wait_in_tasks, loop)


@each_loop
def test_everywhere(loop: str) -> None:
    """Decorated functions and generators, any-of and all-of wait for signals as operations do."""
    check(programs.wait_everywhere, loop)


@each_loop
def test_by_hand(loop: str) -> None:
    """`wait` returns the record of the signal, and can be called again."""
    with program(programs.wait_by_hand, loop) as running:
        for number in (signal.SIGUSR1, signal.SIGUSR1, signal.SIGUSR1, signal.SIGUSR2):
            running.says("waiting")
            running.receives(number)
        running.ends()


@each_loop
def test_many_signals(loop: str) -> None:
    """One source may wait for many signals, real-time signals among them; the message names the one that came."""
    names = ["SIGHUP", "SIGINT", "SIGQUIT", "SIGALRM", "SIGCONT", "SIGTSTP"]
    rt = ["SIGRTMIN", f"signal {signal.SIGRTMIN + 1}"] if hasattr(signal, "SIGRTMIN") else []
    names.sort(key=lambda name: signal.Signals[name])
    check(programs.wait_for_many, loop, *(f"received {name}" for name in (*names, *rt)))
