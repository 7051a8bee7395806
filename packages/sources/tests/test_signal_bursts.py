"""Signals that come in bursts, or the moment the event loop falls asleep, end operations and do no harm."""

from __future__ import annotations

import signal

import pytest

from . import signal_programs_bursts as programs
from .signal_running import LOOPS, check, program

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="needs POSIX signals")

each_loop = pytest.mark.parametrize("loop", LOOPS)


@each_loop
def test_from_main_thread(loop: str) -> None:
    """Hundreds of signals before the loop could tell anybody count as one: the operations end, the program goes on."""
    check(programs.from_main_thread, loop)


@each_loop
def test_from_other_thread(loop: str) -> None:
    """So it is when several threads send them."""
    check(programs.from_other_thread, loop)


@each_loop
def test_with_handlers(loop: str) -> None:
    """In a burst, each signal is heard once by the program's handlers."""
    check(programs.with_handlers, loop)


@each_loop
def test_storm(loop: str) -> None:
    """Operations that come and go under hundreds of signals from outside end one by one, and nothing breaks."""
    with program(programs.stormy, loop) as running:
        running.says("ready")
        running.receives_until("done", signal.SIGUSR1, signal.SIGUSR2)
        running.ends()


@each_loop
def test_idle(loop: str) -> None:
    """A loop with nothing else to do hears of each of many signals, also of those that come as it falls asleep."""
    check(programs.idle, loop)


@each_loop
def test_among_threads(loop: str) -> None:
    """A signal that the system gives to another thread while the loop sleeps wakes it."""
    check(programs.among_threads, loop)


@each_loop
def test_many(loop: str) -> None:
    """A thousand operations end by one signal."""
    check(programs.many, loop)
