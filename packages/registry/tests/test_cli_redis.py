"""The command line against a real redis-server, as a program of its own."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager

import pytest

pytest.importorskip("typer", reason="the command line needs the extra cli, which is not installed")
pytest.importorskip("redis", reason="the command line needs the extra cli, which is not installed")

from .fake_process import FakeProcess
from .redis_server import Namespace, Server, namespace, shared_server, until

pytestmark = pytest.mark.server

PROGRAM = [sys.executable, "-c", "from hother.cancelable.registry.cli import main; main()"]


def command(*arguments: str) -> list[str]:
    """Return the program with arguments."""
    return [*PROGRAM, *arguments]


def variables(url: str) -> dict[str, str]:
    """Return an environment that names the server."""
    return {**os.environ, "CANCELABLE_REDIS_URL": url, "TERM": "xterm", "COLUMNS": "200", "LINES": "30"}


def cli(here: Namespace, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the program in a namespace, to its end."""
    return subprocess.run(
        command(*arguments, "--namespace", here.name),
        capture_output=True,
        text=True,
        env=variables(here.url),
        timeout=25,
        check=False,
    )


def test_from_listing_to_cancelling() -> None:
    """What one process runs is listed and cancelled from a shell; the record says who has asked."""
    with namespace() as here:
        owner = FakeProcess(here.backend())
        owner.start("a", name="import")
        owner.start("b", name="report", parent_id="a")
        owner.backend.get("a")  # both are stored now
        assert [line.split("\t")[:3] for line in cli(here, "ops").stdout.splitlines()] == [
            ["a", "import", "running"],
            ["b", "report", "running"],
        ]
        assert [line.split("\t")[0] for line in cli(here, "tree").stdout.splitlines()] == ["a", "  b"]
        cancelled = cli(here, "cancel", "a", "--message", "enough", "--wait", "10")
        assert (cancelled.returncode, cancelled.stdout) == (0, "a was cancelled (manual: enough)\n")
        [(_, _, _, origin)] = owner.told
        assert origin is not None
        assert " on " in origin
        shown = json.loads(cli(here, "show", "a", "--json").stdout)
        assert (shown["status"], shown["cancel"]["message"]) == ("cancelled", "enough")


def test_it_is_no_worker() -> None:
    """The program looks and goes: only the process that runs operations is listed."""
    with namespace() as here:
        owner = FakeProcess(here.backend())
        owner.backend.get("x")
        for _ in range(2):
            lines = cli(here, "workers").stdout.splitlines()
            assert [line.split("\t")[0] for line in lines] == [owner.backend.worker]
        events = shared_server().client().xrange(here.key("events"))
        assert [fields["kind"] for _, fields in events] == ["worker_up"]


def test_one_that_does_not_stop() -> None:
    """After --wait it is told that it still runs, by exit code 4."""
    with namespace() as here:
        owner = FakeProcess(here.backend())
        owner.stubborn = True
        owner.start("a")
        owner.backend.get("a")
        told = cli(here, "cancel", "a", "--wait", "0.2")
        assert (told.returncode, told.stderr) == (4, "a was told to stop (manual), and still runs after 0.2 s\n")
        assert cli(here, "cancel", "nobody").returncode == 1


def test_a_server_that_is_away() -> None:
    """Exit code 5 within a few seconds; the password is not told."""
    server = Server()  # which was not started
    try:
        url = f"redis://me:geheim@127.0.0.1:{server.port}/0"
        ran = subprocess.run(
            command("ops"), capture_output=True, text=True, env=variables(url), timeout=25, check=False
        )
        assert (ran.returncode, ran.stdout) == (5, "")
        assert f"127.0.0.1:{server.port}" in ran.stderr
        assert "geheim" not in ran.stderr
    finally:
        server.remove()


@contextmanager
def terminal(here: Namespace, *arguments: str) -> Generator[tuple[subprocess.Popen[bytes], list[bytes]]]:
    """Run the program in a terminal; give the process, and what it prints."""
    screen, inside = pty.openpty()
    process = subprocess.Popen(
        command(*arguments, "--namespace", here.name), stdout=inside, stderr=inside, env=variables(here.url)
    )
    os.close(inside)
    os.set_blocking(screen, False)
    printed = _Printed(screen)
    try:
        yield process, printed
    finally:
        process.kill()
        process.wait()
        os.close(screen)


class _Printed(list[bytes]):
    """What a terminal has shown so far; reads on when it is asked."""

    def __init__(self, screen: int) -> None:
        super().__init__()
        self._screen = screen

    def __contains__(self, text: object) -> bool:
        try:
            self.append(os.read(self._screen, 65_536))
        except OSError:  # nothing now, or nothing any more
            pass
        return isinstance(text, bytes) and text in b"".join(self)


def test_watching_in_a_terminal() -> None:
    """The table follows what another process does; Ctrl-C ends it with exit code 0 and without a traceback."""
    with namespace() as here:
        owner = FakeProcess(here.backend())
        owner.start("a", name="import")
        with terminal(here, "ops", "--watch") as (process, printed):
            until(lambda: b"import" in printed)
            owner.start("b", name="report")
            until(lambda: b"report" in printed)
            process.send_signal(signal.SIGINT)
            until(lambda: process.poll() is not None)
            assert process.returncode == 0
            assert b"Traceback" not in printed


def test_watching_in_a_pipe() -> None:
    """Each event is a line at once, and Ctrl-C ends the program with exit code 0."""
    with namespace() as here:
        owner = FakeProcess(here.backend())
        owner.backend.get("x")
        pipe = subprocess.PIPE
        with subprocess.Popen(
            command("ops", "--watch", "--namespace", here.name), stdout=pipe, stderr=pipe, env=variables(here.url)
        ) as process:
            try:
                assert process.stdout is not None
                assert process.stderr is not None
                number = 0

                def start_another() -> bool:  # the program reads from when it is ready
                    nonlocal number
                    number += 1
                    owner.start(f"a{number}", name="import")
                    return has_news(process, 0.2)

                until(start_another, 20)
                line = process.stdout.readline().split(b"\t")
                assert (line[1], line[3], line[4]) == (b"started", b"import", b"running")
                process.send_signal(signal.SIGINT)
                _, errors = process.communicate(timeout=20)
                assert (process.returncode, errors) == (0, b"")
            finally:
                process.kill()


def has_news(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Wait for a line, so many seconds at most."""
    assert process.stdout is not None
    return bool(select.select([process.stdout], [], [], seconds)[0])
