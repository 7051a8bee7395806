"""Runs functions as programs of their own, so that they can be sent signals, and what such programs need.

As a script: `python signal_running.py <module> <function> <loop>`. The modules are no test modules, since it takes a
program long to import pytest.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio

from hother.cancelable import Cancelable, SignalCancelation

PATIENCE = 20.0
"""How long a program may take, in seconds, before it is killed."""

LOOPS = ["asyncio", *(["eager"] if sys.version_info >= (3, 12) else []), "uvloop", "trio"]

Run = Callable[[Callable[[], Awaitable[object]]], None]
"""What a program that is no coroutine function receives: it runs one on the loop that the test asks for.

Instead of that it may have a parameter `make_loop`, which returns a new loop of asyncio.
"""


class Program:
    """A running program."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []

    def says(self, expected: str) -> None:
        """Wait for its next line, which is this."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline().rstrip("\n")
        self.lines.append(line)
        assert line == expected, f"{self.lines}\n{self.process.communicate()[1]}"

    def receives(self, *numbers: int) -> None:
        """Send it signals."""
        for number in numbers:
            self.process.send_signal(number)

    def receives_until(self, expected: str, *numbers: int) -> None:
        """Send it signals over and over until its next line, which is this."""
        said = threading.Event()

        def storm() -> None:
            while not said.wait(0.0005):  # without a pause the program would do nothing but handle signals
                self.receives(*numbers)

        sender = threading.Thread(target=storm)
        sender.start()
        try:
            self.says(expected)
        finally:
            said.set()
            sender.join()

    def ends(self, *lines: str, by: int = 0) -> None:
        """Wait for its end: it says these lines before, is killed by that signal or by none, and prints no warning.

        Args:
            *lines: The rest of its output.
            by: The signal that kills it, or 0 where it ends by itself and without error.
        """
        out, err = self.process.communicate()
        assert (out.splitlines(), err) == (list(lines), ""), err
        assert self.process.returncode == -by, err


@contextmanager
def program(function: Callable[..., object], loop: str) -> Generator[Program]:
    """Start a function of a module beside this one as a program; it is killed at the end, or when it takes too long."""
    command = [sys.executable, "-X", "dev", "-W", "error", __file__, inspect.getfile(function), function.__name__, loop]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True) as process:
        impatience = threading.Timer(PATIENCE, _kill, [process])
        impatience.start()
        try:
            yield Program(process)
        finally:
            impatience.cancel()
            _kill(process)


def _kill(process: subprocess.Popen[str]) -> None:
    """Kill a program and the children that it has forked."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def check(function: Callable[..., object], loop: str, *lines: str, by: int = 0) -> None:
    """Run a program that needs no help, and see that it ends after saying these lines; see `Program.ends`."""
    with program(function, loop) as running:
        running.ends(*lines, by=by)


def say(*words: object) -> None:
    """Print a line at once."""
    print(*words, flush=True)


def send(*numbers: int) -> None:
    """Send signals to this very process."""
    for number in numbers:
        signal.raise_signal(number)


async def say_waiting() -> None:
    """Print `waiting` once all other tasks wait."""
    await anyio.wait_all_tasks_blocked()
    say("waiting")


async def is_ended(operation: Cancelable, *numbers: int) -> None:
    """See that signals of this process end an operation, which has not been entered."""
    async with operation:
        send(*numbers)
        await anyio.sleep_forever()
    assert operation.is_cancelled


@contextmanager
def ended_by(name: str) -> Generator[None]:
    """See that a block is left with the error of a signal."""
    try:
        yield
    except SignalCancelation as error:
        assert error.message == f"received {name}", error
    else:
        raise AssertionError("no signal ended this")


def loop_options(loop: str) -> dict[str, Any]:
    """Return what `anyio.run` needs to know to run one of the loops."""
    if loop == "trio":
        return {"backend": "trio"}
    factories = {"asyncio": asyncio.SelectorEventLoop, "eager": _eager_loop, "uvloop": _uvloop}
    return {"backend": "asyncio", "backend_options": {"loop_factory": factories[loop]}}


def _uvloop() -> asyncio.AbstractEventLoop:
    import uvloop

    return uvloop.new_event_loop()


def _eager_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.SelectorEventLoop()
    loop.set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined, unused-ignore]
    return loop


def _load(path: Path) -> ModuleType:
    """Import a module as a part of a package, as pytest does, so that its relative imports work."""
    package = ModuleType("signal_tests")
    package.__path__ = [str(path.parent)]
    sys.modules[package.__name__] = package
    return importlib.import_module(f"{package.__name__}.{path.stem}")


def _main(path: str, name: str, loop: str) -> None:
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # in its debug mode it warns of busy moments
    function = getattr(_load(Path(path)), name)

    def run(body: Callable[[], Awaitable[object]]) -> None:
        anyio.run(body, **loop_options(loop))

    if inspect.iscoroutinefunction(function):
        run(function)
    elif "make_loop" in inspect.signature(function).parameters:
        function(loop_options(loop)["backend_options"]["loop_factory"])
    else:
        function(run)


if __name__ == "__main__":
    _main(*sys.argv[1:])
