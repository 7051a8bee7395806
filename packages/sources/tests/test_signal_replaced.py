"""Operations overlap, handlers change meanwhile or raise, and signals come at any moment: none gets lost."""

from __future__ import annotations

import signal

import pytest

from . import signal_programs_replaced as programs
from .signal_running import LOOPS, check

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="needs POSIX signals")

each_loop = pytest.mark.parametrize("loop", LOOPS)


@each_loop
def test_overlapping(loop: str) -> None:
    """Operations that overlap keep the signal until the last one has been left."""
    check(programs.overlapping, loop)


@each_loop
def test_replaced(loop: str) -> None:
    """A handler that the program installs meanwhile stays; operations entered under it hear of the signal, too."""
    check(programs.replaced, loop)


@each_loop
def test_replaced_until_the_loop_closes(loop: str) -> None:
    """A handler that the program installs meanwhile outlives the event loop."""
    check(programs.replaced_until_the_loop_closes, loop, "called")


@each_loop
def test_raising(loop: str) -> None:
    """A handler that raises does so where the signal came, and the operation has ended."""
    check(programs.raising, loop)


@each_loop
def test_handler_from_c(loop: str) -> None:
    """A handler that Python knows nothing of could not be put back: an error, and no other handler is left behind."""
    check(programs.from_c, loop)


@each_loop
def test_at_every_moment(loop: str) -> None:
    """No moment of the entry or the exit loses a signal, lets it kill the program, or counts it twice."""
    check(programs.at_every_moment, loop)
