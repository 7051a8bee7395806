"""Processes that end when the test says so."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Self

import pytest

WAYS = ["pidfd", "psutil"]
UNTIL_TOLD = "import sys; sys.stdin.read()"


class Helper:
    """A process that runs until it is told to end."""

    def __init__(self, program: str = UNTIL_TOLD) -> None:
        command = [sys.executable, "-I", "-S", "-c", program]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.pid = self.process.pid

    def end(self) -> None:
        """Have it end; nobody asks for its exit status until the block is left."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.end()
        self.process.__exit__(None, None, None)  # closes its pipes and waits for it


def go(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the end of processes learnt in one of the two ways."""
    if way == "pidfd":
        if not hasattr(os, "pidfd_open"):
            pytest.skip("this system has no pidfd_open")
    else:
        pytest.importorskip("psutil", reason="processes are looked at with psutil here, which is not installed")
        monkeypatch.delattr(os, "pidfd_open", raising=False)


def ended_pid() -> int:
    """Return the id of a process that has ended and been waited for."""
    with Helper() as helper:
        return helper.pid
