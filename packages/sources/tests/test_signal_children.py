"""SIGCHLD ends operations where the event loop does not need it for itself."""

from __future__ import annotations

import signal

import pytest

from . import signal_programs_children as programs
from .signal_running import LOOPS, check

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="needs POSIX signals")

each_other_loop = pytest.mark.parametrize("loop", [loop for loop in LOOPS if loop != "uvloop"])


def test_on_uvloop() -> None:
    """SIGCHLD is refused there, as the handler of uvloop could not be put back; children are waited for as ever."""
    advice = "uvloop keeps SIGCHLD for itself; wait for a process with ProcessSource"
    check(programs.refused, "uvloop", advice, advice)


@each_other_loop
def test_elsewhere(loop: str) -> None:
    """The end of a child process ends an operation, and child processes are waited for as ever."""
    check(programs.ended, loop)
