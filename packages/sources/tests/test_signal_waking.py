"""Wakeup descriptors and handlers of the loop belong to asyncio and the program, as if no operation waited."""

from __future__ import annotations

import signal

import pytest

from . import signal_programs_waking as programs
from .signal_running import LOOPS, check

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="needs POSIX signals")

each_own_loop = pytest.mark.parametrize("loop", [loop for loop in LOOPS if loop not in {"trio", "uvloop"}])
each_asyncio_loop = pytest.mark.parametrize("loop", [loop for loop in LOOPS if loop != "trio"])


@each_own_loop
def test_wakeup_set_before(loop: str) -> None:
    """A wakeup descriptor that the program has set is back when the last operation has been left."""
    check(programs.wakeup_set_before, loop)


@each_own_loop
def test_wakeup_set_inside(loop: str) -> None:
    """What the program sets while operations wait stays, and is back if a further operation had to replace it."""
    check(programs.wakeup_set_inside, loop)


@each_own_loop
def test_wakeup_closed(loop: str) -> None:
    """A wakeup descriptor that was closed meanwhile is not put back, and that is no error."""
    check(programs.wakeup_closed, loop)


@each_own_loop
def test_handler_added_inside(loop: str) -> None:
    """Handlers of the loop that were added while an operation waited are called after it, too."""
    check(programs.handler_added_inside, loop)


@each_own_loop
def test_handler_removed_inside(loop: str) -> None:
    """The last handler of the loop does not take the operations' waking with it."""
    check(programs.handler_removed_inside, loop)


@each_asyncio_loop
def test_handler_removed_in_vain(loop: str) -> None:
    """Where no handler of the loop was added, removing it returns False and takes the signal from no operation."""
    check(programs.handler_removed_in_vain, loop)


@each_own_loop
def test_loops_nested(loop: str) -> None:
    """The descriptor of a loop that has closed is not put back by another one."""
    check(programs.loops_nested, loop, "closed")
