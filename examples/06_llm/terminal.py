"""Keys of a terminal, each as soon as it is pressed, and remarks on it."""

import os
import sys
from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager, suppress

import anyio

if sys.platform != "win32":
    import termios
    import tty

STDIN = 0


@contextmanager
def key_by_key() -> Generator[bool]:
    """Have the terminal hand over each key at once and show none; afterwards it is as it was before.

    Yields:
        Whether there is such a terminal.
    """
    if sys.platform == "win32" or not os.isatty(STDIN):
        yield False
        return
    before = termios.tcgetattr(STDIN)
    try:
        tty.setcbreak(STDIN)
        yield True
    finally:
        with suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(STDIN, termios.TCSADRAIN, before)


async def pressed_keys() -> AsyncIterator[str]:
    """Yield keys as they are pressed, without a thread, until the terminal is gone."""
    while True:
        await anyio.wait_readable(STDIN)
        try:
            keys = os.read(STDIN, 64)
        except OSError:
            return
        if not keys:
            return
        for key in keys.decode(errors="ignore"):
            yield key


def say(text: str) -> None:
    """Print a part of the answer."""
    print(text, end="", flush=True)


def remark(text: str) -> None:
    """Print something that is no part of the answer."""
    print(f"\n[{text}]", file=sys.stderr, flush=True)
