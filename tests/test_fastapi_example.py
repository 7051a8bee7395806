"""The example `03_integrations/04_fastapi_example.py`, run as a program, stops its work and says why."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import pytest
from websockets.sync.client import connect

from .fastapi_example import Example, running_example

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def shared_example() -> Iterator[Example]:
    """Run the example once for all tests of this module."""
    with running_example() as running:
        yield running
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
    """The program says first where its page is, then what to type into another terminal."""
    assert shared_example.text.lstrip().startswith(f"Open {shared_example.url}/operations in a browser")
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
        assert example.printed("GET /long ended: (.*)")[1] == "cancelled by somebody"
    finally:
        curl.kill()
        curl.wait()
    assert example.request("DELETE", f"/jobs/{operation_id}").json() == {"status": "cancelled"}


@pytest.mark.parametrize("start", ["/jobs", "/start-background-task"])
@pytest.mark.parametrize(("method", "path"), [("DELETE", "/jobs/{}"), ("POST", "/cancel-task/{}")])
def test_background_jobs(example: Example, start: str, method: str, path: str) -> None:
    """Background jobs outlive their request, are listed, and end when they are cancelled by their id."""
    (job_id,) = example.request("POST", start).json().values()
    assert example.printed("work started, its id is (.*)")[1] == job_id
    assert [job["id"] for job in example.request("GET", "/jobs").json()] == [job_id]
    assert example.request("GET", f"/jobs/{job_id}").json()["status"] == "running"
    assert example.request(method, path.format(job_id)).json()["status"] == "cancelled"
    assert example.printed("work ended: (.*)")[1] == "cancelled by somebody"
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
    with running_example() as running:
        with httpx.stream("GET", f"{running.url}/stream", timeout=10) as response:
            lines = response.iter_lines()
            assert next(lines) == 'data: "event 0"'
            running.interrupt()
            assert "event: cancelled" in list(lines)
        assert running.printed("GET /stream ended: (.*)")[1] == "the server shuts down"
    assert "Traceback" not in running.text


def test_other_servers_can_load_it() -> None:
    """The app can be named on the command line of an ASGI server, as the examples' README does."""
    with running_example("-m", "uvicorn", "examples.03_integrations.04_fastapi_example:app") as running:
        assert running.request("GET", "/jobs").json() == []
        assert running.request("GET", "/operations").status_code == 200
