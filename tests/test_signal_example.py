"""The example `02_advanced/08_signal_handling.py`, run as a program that really gets signals."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import IO

import pytest

from .programs import command, complaints

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="on Windows no program can send these signals")


class Running:
    """The example as a program of its own, and what it prints."""

    def __init__(self, process: subprocess.Popen[str], out: IO[str], err: IO[str]) -> None:
        self.process, self.out, self.err = process, out, err

    def line(self) -> str:
        """Wait for the next line and return it; the process id in it becomes N."""
        return re.sub(rf"\b{self.process.pid}\b", "N", self.out.readline().rstrip("\n"))

    def send(self, name: str) -> None:
        """Send a signal."""
        self.process.send_signal(signal.Signals[name])

    def end(self) -> tuple[int, list[str], str]:
        """Wait for the end of the program.

        Returns:
            Its return code, the remaining lines with numbers made N, and what it complained of.
        """
        lines = re.sub(r"\d+", "N", self.out.read()).splitlines()
        return self.process.wait(), lines, complaints(self.err.read())


@contextmanager
def running(*arguments: str) -> Generator[Running]:
    """Run the example; a program that hangs is killed, so that no test waits for it in vain."""
    # A shell's job in the background ignores Ctrl-C, and so would the programs started by it.
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    program = command("02_advanced/08_signal_handling.py", *arguments)
    try:
        process = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, former)
    watchdog = threading.Timer(20, process.kill)
    watchdog.start()
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            yield Running(process, process.stdout, process.stderr)
        finally:
            watchdog.cancel()
            watchdog.join()
            process.kill()


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGUSR1"])
def test_first_signal_ends_it_gracefully(name: str) -> None:
    """It says its process id, and at a signal it saves, says which one it was, and puts the former handlers back."""
    with running() as example:
        assert example.line() == "ready, pid N"
        example.send(name)
        code, lines, complained = example.end()
    assert lines == [
        "saved: N",
        re.sub(r"\d", "N", f"ended: signal, received {name}"),
        "the former handlers are back: True",
    ]
    assert (code, complained) == (0, "")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGUSR1"])
def test_second_signal_stops_it(name: str) -> None:
    """Where saving hangs, a second signal has its default effect: Ctrl-C interrupts, the others kill."""
    with running("--hang") as example:
        assert example.line() == "ready, pid N"
        example.send(name)
        assert example.line().startswith("saving, but")
        assert example.process.poll() is None
        example.send(name)
        code, lines, complained = example.end()
    assert lines == []
    if name == "SIGINT":
        assert (code, complained) == (1, "stopped at once\n")
    else:
        assert (code, complained) == (-signal.Signals[name], "")
