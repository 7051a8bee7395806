"""The tutorial's web server, written and run as the tutorial says, stops a request when its client leaves."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

TUTORIAL = Path(__file__).parents[1] / "docs" / "tutorial.md"

pytestmark = pytest.mark.server


def saved_as(name: str) -> str:
    """Return the program that the tutorial has its reader save under a name."""
    match = re.search(rf"[Ss]ave this as `{name}`.*?```python\n(.*?)```", TUTORIAL.read_text(), re.DOTALL)
    assert match, f"the tutorial has no {name}"
    return match[1]


def lines_until(lines: Iterator[str], pattern: str) -> list[str]:
    """Return the lines up to the first one that matches."""
    read: list[str] = []
    for line in lines:
        read.append(line.rstrip())
        if re.search(pattern, line):
            return read
    raise AssertionError(f"{pattern!r} was not printed, but {read}")


def test_request_of_the_tutorial_stops_when_its_client_leaves(tmp_path: Path) -> None:
    """The endpoint works while the client is there, says why it stops when the client has left, and prints no more."""
    (tmp_path / "app.py").write_text(saved_as("app.py"))
    command = [sys.executable, "-X", "dev", "-m", "uvicorn", "app:app", "--port", "0"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        try:
            assert server.stdout is not None
            lines = iter(server.stdout)
            port = int(lines_until(lines, "running on")[-1].split(":")[-1].split()[0])
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(b"GET /report?count=1000 HTTP/1.1\r\nHost: tutorial\r\n\r\n")
                lines_until(lines, "page 2 of 1000")
            assert lines_until(lines, "stopped|page 30 of")[-1] == "stopped: the client has left"
        finally:
            server.terminate()
        assert not [line for line in lines if not line.startswith("INFO:")]
