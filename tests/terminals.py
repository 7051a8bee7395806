"""A program under a pseudo-terminal: what it prints, the keys that are pressed, and how the terminal is left."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

LAUNCHER = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
"""Makes the pseudo-terminal the program's own, so that Ctrl-C is a signal."""


class Terminal:
    """Runs a program in a terminal of its own. Everything waits for at most `patience` seconds."""

    def __init__(self, *program: str, env: Mapping[str, str], patience: float = 15) -> None:
        self.text = ""
        self._seen = 0
        self._patience = patience
        self._keyboard, self._screen = os.openpty()
        self._before = termios.tcgetattr(self._screen)
        command = [sys.executable, "-c", LAUNCHER, *program]
        self._process = subprocess.Popen(
            command, stdin=self._screen, stdout=self._screen, stderr=self._screen, env=env, start_new_session=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._keyboard)
        os.close(self._screen)

    @property
    def is_restored(self) -> bool:
        """Whether the terminal is as it was before the program began."""
        return termios.tcgetattr(self._screen) == self._before

    def press(self, keys: str) -> None:
        """Press keys."""
        os.write(self._keyboard, keys.encode())

    def signal(self, number: int) -> None:
        """Send the program a signal."""
        self._process.send_signal(number)

    def expect(self, pattern: str) -> None:
        """Wait until this is printed, after what was expected before."""
        deadline = time.monotonic() + self._patience
        while not (found := re.compile(pattern).search(self.text, self._seen)):
            assert self.read(max(deadline - time.monotonic(), 0)), (
                f"{pattern!r} was not printed; this was:\n{self.text}"
            )
        self._seen = found.end()

    def read(self, seconds: float) -> str:
        """Return what is printed next; nothing if so much time passes without a word."""
        if not select.select([self._keyboard], [], [], seconds)[0]:
            return ""
        text = os.read(self._keyboard, 65_536).decode()  # the programs print ASCII
        self.text += text
        return text

    def ends(self) -> int:
        """Wait until the program ends, and return its exit code."""
        deadline = time.monotonic() + self._patience
        while self._process.poll() is None:
            assert time.monotonic() < deadline, f"the program does not end; it has printed:\n{self.text}"
            self.read(0.02)
        while self.read(0):
            pass
        return self._process.returncode
