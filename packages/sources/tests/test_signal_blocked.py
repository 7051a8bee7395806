"""A program that blocks its event loop, so that no operation can be told, is stopped by signals all the same."""

from __future__ import annotations

import signal

import pytest

from . import signal_programs_blocked as programs
from .signal_running import LOOPS, check

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="needs POSIX signals")

each_loop = pytest.mark.parametrize("loop", LOOPS)
each_asyncio_loop = pytest.mark.parametrize("loop", [loop for loop in LOOPS if loop != "trio"])


@each_loop
def test_blocked(loop: str) -> None:
    """A burst of signals is the first one, another signal a second later has its default effect."""
    check(programs.block, loop, "blocked", by=signal.SIGTERM)


@each_loop
def test_ctrl_c(loop: str) -> None:
    """Ctrl-C pressed again and again raises `KeyboardInterrupt`, as the event loop does it."""
    check(programs.block_and_press_ctrl_c, loop, "interrupted")


@each_loop
def test_heard(loop: str) -> None:
    """A signal that the loop has heard of makes no second one of another long after."""
    check(programs.pause, loop)


@each_asyncio_loop
def test_closed(loop: str) -> None:
    """Neither does one that a loop has not heard of before it was closed."""
    check(programs.close, loop)
