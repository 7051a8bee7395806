"""A second signal, while the first one is still being honoured, does what it would have done without operations."""

from __future__ import annotations

import signal

import pytest

from . import signal_programs_second as programs
from .signal_running import LOOPS, check, program

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="needs POSIX signals")

each_loop = pytest.mark.parametrize("loop", LOOPS)


@each_loop
def test_default(loop: str) -> None:
    """A second SIGTERM kills a program that hangs in its cleanup."""
    with program(programs.hang_on_sigterm, loop) as running:
        running.says("waiting")
        running.receives(signal.SIGTERM)
        running.says("cleaning up")
        running.receives(signal.SIGTERM)
        running.ends(by=signal.SIGTERM)


@each_loop
def test_ctrl_c(loop: str) -> None:
    """A second Ctrl-C interrupts a program that hangs in its cleanup, as the first would have without operations."""
    with program(programs.hang_on_ctrl_c, loop) as running:
        running.says("waiting")
        running.receives(signal.SIGINT)
        running.says("cleaning up")
        running.receives(signal.SIGINT)
        running.ends("interrupted")


@each_loop
def test_ignored(loop: str) -> None:
    """A second signal that was ignored before is ignored."""
    with program(programs.hang_on_ignored, loop) as running:
        running.says("waiting")
        running.receives(signal.SIGHUP)
        running.says("cleaning up")
        running.receives(signal.SIGHUP, signal.SIGHUP, signal.SIGUSR1)
        running.says("nothing happened")
        running.ends(by=signal.SIGTERM)


@each_loop
def test_harmless_default(loop: str) -> None:
    """A second signal that the system ignores by default leaves everything as it is."""
    check(programs.survive, loop)


@each_loop
def test_each_a_first_one(loop: str) -> None:
    """Once the operations that were told have been left, the next signal is a first one again."""
    check(programs.clean_up_in_turns, loop)


@each_loop
def test_while_being_told(loop: str) -> None:
    """Signals that come while some operations have been told and others have not count as the first one."""
    check(programs.told_slowly, loop)


@each_loop
def test_told_nothing(loop: str) -> None:
    """Signals that have told no operation to stop, as they are only a part of what it waits for, are no first one."""
    check(programs.told_nothing, loop)


@each_loop
def test_told_by_the_last_part(loop: str) -> None:
    """A signal that was the last part of what an operation waited for is a first one."""
    check(programs.told_by_the_last_part, loop, "cleaning up", by=signal.SIGTERM)
