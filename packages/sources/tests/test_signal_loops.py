"""Threads, several event loops, and forked processes: signals go where they belong."""

from __future__ import annotations

import signal

import pytest

from . import signal_programs_loops as programs
from .signal_running import LOOPS, check

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="needs POSIX signals")

each_loop = pytest.mark.parametrize("loop", LOOPS)
each_asyncio_loop = pytest.mark.parametrize("loop", [loop for loop in LOOPS if loop != "trio"])


@each_loop
def test_in_another_thread(loop: str) -> None:
    """Outside the main thread an error says what to do, and nothing is left behind."""
    advice = (
        "signals are received by the main thread alone, so nothing can wait for {} in another one: install a handler "
        "in the main thread that calls `token.cancel_sync`, and use the token here"
    )
    check(programs.in_another_thread, loop, advice.format("SIGUSR1"), advice.format("SIGINT"))


@each_loop
def test_loops_in_turn(loop: str) -> None:
    """Event loops that run one after the other hear of the same signals."""
    check(programs.loops_in_turn, loop)


@each_asyncio_loop
def test_pieces(loop: str) -> None:
    """A signal that comes while loops pause ends their operations when they go on."""
    check(programs.pieces, loop, "first", "second")


@each_asyncio_loop
def test_abandoned(loop: str) -> None:
    """An operation that is left over in a closed loop takes no signal from others."""
    check(programs.abandoned, loop, "ready", by=signal.SIGUSR1)


@each_asyncio_loop
def test_guest(loop: str) -> None:
    """Operations of asyncio and of trio as its guest may wait for the same signal."""
    check(programs.guest, loop, "guest")


@each_loop
def test_fork(loop: str) -> None:
    """A signal kills a child that was forked in an operation, and the operation is not concerned."""
    check(programs.fork, loop)


@each_asyncio_loop
def test_fork_and_run(loop: str) -> None:
    """A forked child may have operations for the same signal, and the default action afterwards."""
    check(programs.fork_and_run, loop, "the child's operation has ended")
