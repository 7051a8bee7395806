"""The FastAPI example, run as a program, stops its work and says why."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

ROOT = Path(__file__).parents[1]
EXAMPLE = "examples/03_integrations/04_fastapi_example.py"

pytestmark = pytest.mark.server


class Example:
    """The example's server as a program of its own, and what it prints."""

    def __init__(self, command: list[str], port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._lines: list[tuple[float, str]] = []
        self._forgotten = 0
        self._changed = threading.Condition()
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=self._environment()
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    @staticmethod
    def _environment() -> dict[str, str]:
        return {**os.environ, "PYTHONUNBUFFERED": "1"}

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._changed:
                self._lines.append((time.monotonic(), line.rstrip()))
                self._changed.notify_all()

    def printed(self, pattern: str, timeout: float = 10) -> tuple[float, str]:
        """Wait for a line and return when it was printed, and what the pattern's group found in it."""

        def find() -> tuple[float, str] | None:
            matches = ((when, re.search(pattern, line)) for when, line in self._lines[self._forgotten :])
            return next(((when, match[match.re.groups]) for when, match in matches if match), None)

        with self._changed:
            found = self._changed.wait_for(find, timeout)
        assert found, f"{pattern!r} was not printed; this was: {self.text}"
        return found

    @property
    def text(self) -> str:
        """All that was printed so far."""
        return "\n".join(line for _, line in self._lines)

    def forget(self) -> None:
        """Look only at what is printed from now on."""
        self._forgotten = len(self._lines)

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request and return the response."""
        return httpx.request(method, self.url + path, timeout=10, **options)

    def wait_until_it_answers(self) -> None:
        """Return as soon as the server answers."""
        deadline = time.monotonic() + 15
        while True:
            try:
                self.request("GET", "/jobs")
            except httpx.TransportError:
                assert time.monotonic() < deadline, self.text
                assert self._process.poll() is None, self.text
                time.sleep(0.05)
            else:
                return

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def stop(self) -> None:
        """End the program as Ctrl-C does."""
        self.interrupt()
        self.wait()

    def wait(self) -> None:
        """Wait until the program has ended."""
        try:
            self._process.wait(10)
        finally:
            self._process.kill()
            self._process.wait()
            self._reader.join()
            assert self._process.stdout is not None
            self._process.stdout.close()


def free_port() -> int:
    """Return a port that nobody uses."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def shared_example() -> Iterator[Example]:
    """Run the example once for all tests of this module."""
    port = free_port()
    running = Example([sys.executable, EXAMPLE, "--port", str(port)], port)
    try:
        running.wait_until_it_answers()
        yield running
    finally:
        running.stop()
    assert "Traceback" not in running.text


@pytest.fixture
def example(shared_example: Example) -> Example:
    """Return the running example; what was printed before is forgotten."""
    shared_example.forget()
    return shared_example


def start_curl(url: str) -> subprocess.Popen[bytes]:
    """Start `curl -N`, or where there is none a program that does the same."""
    fetch = f"import urllib.request; urllib.request.urlopen({url!r}).read()"
    command = ["curl", "-sN", url] if shutil.which("curl") else [sys.executable, "-c", fetch]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def test_first_words(shared_example: Example) -> None:
    """The program says what to type into another terminal."""
    for command in ("curl -N {}/long", "curl {}/timeout", "curl -X DELETE {}/jobs/ID"):
        assert command.format(shared_example.url) in shared_example.text


@pytest.mark.parametrize("path", ["/long", "/thread", "/stream", "/events"])
def test_client_leaves(example: Example, path: str) -> None:
    """When `curl -N` is killed, the work's `finally` has run within 0.2 s, and the terminal says who left."""
    curl = start_curl(example.url + path)
    try:
        example.printed(f"GET {path} started")
        curl.kill()
        killed = time.monotonic()
    finally:
        curl.kill()
        curl.wait()
    if path == "/long":
        assert example.printed("the work has cleaned up")[0] - killed < 0.2
    when, _ = example.printed(f"GET {path} ended: (.*)")
    assert when - killed < 0.2
    assert example.printed(f"GET {path} ended: (.*)")[1] == "the client left"


def test_time_is_up(example: Example) -> None:
    """When time is up the client gets a 504, and the terminal says so."""
    response = example.request("GET", "/timeout")
    assert response.status_code == 504
    assert response.json() == {"detail": "The request took too long"}
    assert example.printed("GET /timeout ended: (.*)")[1] == "time is up"


def test_request_is_cancelled_by_id(example: Example) -> None:
    """A request that is cancelled by its id from another terminal answers, and the terminal says so."""
    curl = start_curl(example.url + "/long")
    try:
        _, operation_id = example.printed("GET /long started, its id is (.*)")
        assert [(job["id"], job["name"]) for job in example.request("GET", "/jobs").json()] == [
            (operation_id, "GET /long")
        ]
        assert example.request("DELETE", f"/jobs/{operation_id}").json() == {"status": "cancelled"}
        assert example.printed("GET /long ended: (.*)")[1] == "cancelled by id"
    finally:
        curl.kill()
        curl.wait()
    assert example.request("DELETE", f"/jobs/{operation_id}").status_code == 404


@pytest.mark.parametrize("start", ["/jobs", "/start-background-task"])
@pytest.mark.parametrize(("method", "path"), [("DELETE", "/jobs/{}"), ("POST", "/cancel-task/{}")])
def test_background_jobs(example: Example, start: str, method: str, path: str) -> None:
    """Background jobs outlive their request, are listed, and end when they are cancelled by their id."""
    (job_id,) = example.request("POST", start).json().values()
    assert example.printed("work started, its id is (.*)")[1] == job_id
    assert [job["id"] for job in example.request("GET", "/jobs").json()] == [job_id]
    assert example.request("GET", f"/jobs/{job_id}").json()["status"] == "running"
    assert example.request(method, path.format(job_id)).json()["status"] == "cancelled"
    assert example.printed("work ended: (.*)")[1] == "cancelled by id"
    status = example.request("GET", f"/jobs/{job_id}").json()
    assert (status["status"], status["has_ended"], status["message"]) == ("cancelled", True, "somebody asked for it")


def test_job_that_ends_by_itself(example: Example) -> None:
    """A job that nobody cancels ends when its work is done."""
    example.request("POST", "/jobs", params={"seconds": 0.2})
    assert example.printed("work ended: (.*)")[1] == "done"


def test_unknown_job(example: Example) -> None:
    """An id that nothing has is not found, whatever is asked of it."""
    for method, path in [("GET", "/jobs/x"), ("DELETE", "/jobs/x"), ("POST", "/cancel-task/x")]:
        assert example.request(method, path).status_code == 404


def test_web_socket(example: Example) -> None:
    """The web socket sends back what it gets, and its session ends with its peer."""
    with connect(f"{example.url.replace('http', 'ws')}/echo") as peer:
        peer.send("hello")
        assert peer.recv(timeout=5) == "hello"
    assert example.printed("echo ended: (.*)")[1] == "the client left"


def test_upload(example: Example) -> None:
    """An upload reports its progress and arrives whole."""
    content = bytes(3_000_000)
    response = example.request("POST", "/upload", files={"file": ("a.bin", content)})
    assert response.json() == {"filename": "a.bin", "size": len(content), "status": "completed"}
    example.printed("1048576 of 3000000 bytes")
    assert example.printed("POST /upload ended: (.*)")[1] == "done"


def test_digest_of_a_chunked_body(example: Example) -> None:
    """A body that comes in pieces is read while it arrives, and its digest is that of the whole."""
    pieces = [bytes([number]) * 104_858 for number in range(10)]
    response = example.request("POST", "/sha256", content=iter(pieces))
    assert response.json() == {"sha256": hashlib.sha256(b"".join(pieces)).hexdigest()}


def test_shutdown() -> None:
    """Ctrl-C ends an open stream with an event that says why, and then the program."""
    port = free_port()
    running = Example([sys.executable, EXAMPLE, "--port", str(port)], port)
    try:
        running.wait_until_it_answers()
        with httpx.stream("GET", f"{running.url}/stream", timeout=10) as response:
            lines = response.iter_lines()
            assert next(lines) == 'data: "event 0"'
            running.interrupt()
            assert "event: cancelled" in list(lines)
        assert running.printed("GET /stream ended: (.*)")[1] == "the server shuts down"
    finally:
        running.wait()
    assert "Traceback" not in running.text


def test_other_servers_can_load_it() -> None:
    """The app can be named on the command line of an ASGI server, as the examples' README does."""
    port = free_port()
    name = "examples.03_integrations.04_fastapi_example:app"
    running = Example([sys.executable, "-m", "uvicorn", name, "--port", str(port)], port)
    try:
        running.wait_until_it_answers()
        assert json.loads(running.request("GET", "/jobs").text) == []
    finally:
        running.stop()
