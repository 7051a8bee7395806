"""The example `05_monitoring/01_monitoring_dashboard.py`, in a pipe and in a terminal, over memory and Redis."""

from __future__ import annotations

import io
import os
import re
import runpy
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.console import Console

from hother.cancelable.registry import OperationRecord, Progress, RecordStatus, View

from .programs import EXAMPLES, command, complaints
from .redis_service import RedisServer, free_port, redis_service
from .terminals import Terminal

DASHBOARD = "05_monitoring/01_monitoring_dashboard.py"
JOBS = "import prices|send letters|build report|resize pictures"

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal"),
]


def in_pipe(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the dashboard in a pipe."""
    surroundings = {**os.environ, "COLUMNS": "120", "PYTHONIOENCODING": "utf-8"}
    program = command(DASHBOARD, *arguments)
    return subprocess.run(program, capture_output=True, text=True, timeout=20, check=False, env=surroundings)


def in_terminal(*arguments: str) -> Terminal:
    """Run the dashboard in a terminal of 120 columns that knows ASCII alone."""
    surroundings = {**os.environ, "TERM": "xterm", "COLUMNS": "120", "LINES": "40", "PYTHONIOENCODING": "ascii"}
    return Terminal(*command(DASHBOARD, *arguments), env=surroundings)


@contextmanager
def one_job(redis: RedisServer) -> Generator[None]:
    """Run a program with one operation that shares its registry, and reports that half of it is done."""
    program = [sys.executable, str(Path(__file__).with_name("monitored_program.py")), redis.url]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "runs\n"
            yield
        finally:
            process.kill()


def test_pipe() -> None:
    """In a pipe it prints once what runs, what has ended, and the numbers, without any control character."""
    done = in_pipe("--seconds", "1.2")
    assert complaints(done.stderr) == ""
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert done.stdout.count("running (local view)") == 1
    running, _, ended = done.stdout.partition(" ended ")
    assert re.search(rf"│ ({JOBS}) +│ \d\.\d s +│ ━.*│ step \d+ of \d+ +│ local", running)
    assert re.search(r"┃ name +┃ how +┃ why +┃ after", ended)
    assert re.search(r"^\d+ running; ended: (none|\d+ \w+.*)\n\Z", ended, re.MULTILINE)


def test_terminal() -> None:
    """In a terminal it draws again and again on a screen of its own, and leaves the last picture behind."""
    with in_terminal("--seconds", "1.5") as terminal:
        terminal.expect(r"\x1b\[\?1049h")
        terminal.expect(r"running \(local view\)")
        terminal.expect(r"step 2 of")
        terminal.expect(r"\x1b\[\?1049l")
        assert terminal.ends() == 0
        assert terminal.is_restored
        last = terminal.text.rpartition("\x1b[?1049l")[2]
    assert re.search(rf"({JOBS}) .*step \d+ of \d+", last)
    assert re.search(r"\d+ running; ended: ", last)


@pytest.mark.parametrize("how", ["Ctrl-C", "SIGINT"])
def test_interrupted(how: str) -> None:
    """Ctrl-C ends it without a word of complaint; the screen and the cursor are back."""
    with in_terminal() as terminal:
        terminal.expect(r"running \(local view\)")
        if how == "Ctrl-C":
            terminal.press("\x03")
        else:
            terminal.signal(signal.SIGINT)
        assert terminal.ends() == 0
        assert terminal.is_restored
        assert terminal.text.rfind("\x1b[?1049l") > terminal.text.rfind("\x1b[?1049h")
        assert terminal.text.rfind("\x1b[?25h") > terminal.text.rfind("\x1b[?25l")
        assert "Traceback" not in terminal.text


def test_redis() -> None:
    """Over Redis it shows the operations of another process, with their progress and the process they run in."""
    with redis_service() as redis, one_job(redis):
        done = in_pipe("--redis", redis.url, "--seconds", "1")
    assert complaints(done.stderr) == ""
    assert done.returncode == 0
    assert "running (shared view)" in done.stdout
    assert re.search(r"│ a job elsewhere +│ \d\.\d s +│ ━.* │ half of it +│ \S+:\d+:\w{8} +│", done.stdout)
    assert "1 running; ended: none" in done.stdout


def test_redis_comes_and_goes() -> None:
    """Where Redis goes away the picture says that it shows this process alone, and all is there when it is back."""
    with redis_service() as redis, one_job(redis), in_terminal("--redis", redis.url) as terminal:
        terminal.expect(r"running \(shared view\)")
        terminal.expect(r"a job elsewhere")
        redis.stop()
        terminal.expect(r"running \(local view\)")
        redis.start()
        terminal.expect(r"running \(shared view\)")
        terminal.expect(r"a job elsewhere")
        terminal.press("\x03")
        assert terminal.ends() == 0


def test_without_redis() -> None:
    """Where there is no Redis it says so, and what to do."""
    done = in_pipe("--redis", f"redis://127.0.0.1:{free_port()}/0")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "the registry cannot use the Redis at 127.0.0.1:" in done.stderr
    assert "Start one (`redis-server`; Debian: apt-get install redis-server)" in done.stderr
    assert "Traceback" not in done.stderr


def test_text_of_others() -> None:
    """Names, messages and errors are shown as they are: markup is none, and control characters do nothing."""
    odd = "[/red] [bold]x \x1b[2J"
    record = OperationRecord("1", odd, RecordStatus.FAILED, "w", progress=Progress(odd, 50, 0), error=odd)
    example = runpy.run_path(str(EXAMPLES / DASHBOARD))
    screen = Console(file=io.StringIO(), width=200)
    screen.print(example["running_table"]([record], View.SHARED), example["ended_table"]([record]))
    assert isinstance(screen.file, io.StringIO)
    shown = screen.file.getvalue()
    assert shown.count("[/red] [bold]x ?[2J") == 4
    assert "\x1b[2J" not in shown
