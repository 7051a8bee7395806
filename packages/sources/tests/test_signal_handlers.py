"""Handlers of the program are called as ever, and are what they were when the operations have ended."""

from __future__ import annotations

import signal

import pytest

from . import signal_programs_handlers as programs
from .signal_running import LOOPS, check, program

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="needs POSIX signals")

each_loop = pytest.mark.parametrize("loop", LOOPS)
each_asyncio_loop = pytest.mark.parametrize("loop", [loop for loop in LOOPS if loop != "trio"])


@each_loop
def test_signal_handler(loop: str) -> None:
    """A handler of `signal.signal` is called once at each signal, while operations wait and afterwards."""
    check(programs.signal_handler, loop)


@each_asyncio_loop
def test_loop_handler(loop: str) -> None:
    """A handler of `loop.add_signal_handler` is, too, and can be removed as ever."""
    check(programs.loop_handler, loop)


@each_asyncio_loop
def test_loop_handler_for_another_signal(loop: str) -> None:
    """Handlers of the loop for other signals come and go while an operation waits, and it hears of its own."""
    check(programs.loop_handler_for_another, loop)


@each_loop
def test_receiver(loop: str) -> None:
    """A signal receiver of anyio gets each signal once, and those after the operations."""
    check(programs.receiver, loop)


@each_loop
def test_ignored(loop: str) -> None:
    """A signal that is ignored ends operations, does nothing when it comes again, and is ignored afterwards."""
    check(programs.ignored, loop, "still here")


@each_loop
def test_default(loop: str) -> None:
    """Where there was no handler, a signal after the operations kills the program."""
    with program(programs.default, loop) as running:
        running.says("ready")
        running.receives(signal.SIGUSR1)
        running.ends(by=signal.SIGUSR1)


@each_loop
def test_ctrl_c(loop: str) -> None:
    """A Ctrl-C ends the operation, the next one raises `KeyboardInterrupt` as the event loop does it."""
    with program(programs.ctrl_c, loop) as running:
        running.says("ready")
        running.receives(signal.SIGINT)
        running.ends("interrupted")
