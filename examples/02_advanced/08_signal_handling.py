"""Signals: end gracefully with the first one, at once with the second.

    uv run python examples/02_advanced/08_signal_handling.py
    uv run python examples/02_advanced/08_signal_handling.py --hang

It counts until it gets a signal, and says its process id first. Press Ctrl-C, or type `kill -TERM` or `kill -USR1` and
that number into another terminal. It saves how far it has come, says which signal it was, and that the former handlers
are back. With `--hang` saving never ends; then the same signal again stops it, as if nobody had waited for it.
"""

import os
import signal
import sys

import anyio

from hother.cancelable import Cancelable

if sys.platform == "win32":
    SIGNALS = (signal.SIGINT, signal.SIGBREAK)
else:
    SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


def say(text: str) -> None:
    """Print something at once, also into a pipe."""
    print(text, flush=True)


async def save(number: int, hang: bool) -> None:
    """Save how far the count has come."""
    if hang:
        say("saving, but the disk does not answer; send the signal again")
        await anyio.sleep_forever()
    await anyio.sleep(0.05)
    say(f"saved: {number}")


async def count(operation: Cancelable, hang: bool) -> None:
    """Count until the operation ends, and save how far that was."""
    number = 0
    try:
        while True:
            await anyio.sleep(0.01)
            number += 1
    finally:
        async with operation.shield():
            await save(number, hang)


async def main(hang: bool = False) -> None:
    """Wait for signals."""
    former = [signal.getsignal(number) for number in SIGNALS]
    async with Cancelable.with_signal(*SIGNALS, name="count", move_on=True) as operation:
        say(f"ready, pid {os.getpid()}")
        await count(operation, hang)
    say(f"ended: {operation.context.cancel_reason}, {operation.context.cancel_message}")
    say(f"the former handlers are back: {[signal.getsignal(number) for number in SIGNALS] == former}")


if __name__ == "__main__":
    try:
        anyio.run(main, "--hang" in sys.argv)
    except KeyboardInterrupt:
        sys.exit("stopped at once")
