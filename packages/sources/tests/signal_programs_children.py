"""Programs that wait for SIGCHLD; see `test_signal_children.py`."""

from __future__ import annotations

import signal
import sys

import anyio

from hother.cancelable import Cancelable
from hother.cancelable.sources import SignalSource

from .signal_running import say, send


async def _run_child() -> None:
    with anyio.fail_after(10):
        async with await anyio.open_process([sys.executable, "-S", "-c", "pass"], stdin=None) as process:
            assert await process.wait() == 0


async def refused() -> None:
    """Wait for SIGCHLD between child processes, of whose ends the loop hears as ever."""
    await _run_child()
    for numbers in ((signal.SIGCHLD,), (signal.SIGUSR1, signal.SIGCHLD)):
        try:
            async with Cancelable.with_source(SignalSource(*numbers)):
                raise AssertionError("it was entered")
        except RuntimeError as error:
            say(error)
    assert signal.getsignal(signal.SIGUSR1) is signal.getsignal(signal.SIGCHLD) is signal.SIG_DFL
    await _run_child()


async def ended() -> None:
    """Be ended by the end of a child process, and clean up while further signals come."""
    for _ in range(2):
        async with Cancelable.with_signal(signal.SIGCHLD, move_on=True) as operation:
            try:
                with anyio.CancelScope(shield=True):
                    await _run_child()
                await anyio.sleep_forever()
            finally:
                send(signal.SIGCHLD, signal.SIGCHLD)
        assert operation.context.cancel_message == "received SIGCHLD"
        assert signal.getsignal(signal.SIGCHLD) is signal.SIG_DFL
    await _run_child()
