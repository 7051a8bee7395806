"""The example `03_integrations/07_multi_worker_jobs.py`: jobs in four workers, and any of them knows of all."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import IO, Any

import pytest

from hother.cancelable.registry import OperationFilter, RedisBackend

from .programs import EXAMPLES
from .redis_service import RedisServer, free_port, redis_service, until

EXAMPLE = str(EXAMPLES / "03_integrations/07_multi_worker_jobs.py")

pytestmark = [pytest.mark.server, pytest.mark.timeout(120)]

Answer = tuple[int, Any]


class Example:
    """The example's server, reached as `curl` does: by a new connection each time, which any worker may accept."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, output: IO[bytes]) -> None:
        self.process: subprocess.Popen[bytes] = process
        self.url: str = f"http://127.0.0.1:{port}"
        self._port = port
        self._output = output

    @property
    def text(self) -> str:
        """All that was printed so far."""
        self._output.seek(0)
        return self._output.read().decode()

    def ask(self, method: str, path: str, *, not_in: int | None = None) -> Answer:
        """Send a request, to another worker than one; return the status and what the answer says."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)) as connection:
            if not_in is not None:
                os.kill(not_in, signal.SIGSTOP)  # so that it does not accept the connection
                try:
                    assert _send(connection, "GET", "/jobs")[1]["pid"] != not_in
                finally:
                    os.kill(not_in, signal.SIGCONT)
            return _send(connection, method, path)

    def start_jobs(self) -> dict[str, int]:
        """Start six jobs in at least two workers; return in which process each is, as soon as all are listed."""
        answers = [self.ask("POST", "/jobs")[1]]
        answers += [self.ask("POST", "/jobs", not_in=answers[0]["pid"])[1] for _ in range(2)]
        answers += [self.ask("POST", "/jobs")[1] for _ in range(3)]
        jobs = {answer["id"]: answer["pid"] for answer in answers}
        until(lambda: {job["id"] for job in self.ask("GET", "/jobs")[1]["jobs"]} >= jobs.keys())
        return jobs

    def workers(self) -> list[int]:
        """Return the processes that serve."""
        return [worker["pid"] for worker in self.ask("GET", "/workers")[1] if worker["state"] == "up"]

    def is_up(self, workers: int) -> bool:
        """Tell whether all workers serve."""
        assert self.process.poll() is None, self.text
        try:
            return len(self.workers()) == workers
        except OSError:
            return False


def _send(connection: http.client.HTTPConnection, method: str, path: str) -> Answer:
    connection.request(method, path)
    response = connection.getresponse()
    return response.status, json.loads(response.read())


@contextmanager
def running(redis: RedisServer, workers: int = 4) -> Generator[Example]:
    """Run the example; what is left of it at the end is killed."""
    port = free_port()
    program = [sys.executable, EXAMPLE, "--port", str(port), "--workers", str(workers), "--redis", redis.url]
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(program, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        example = Example(process, port, output)
        try:
            until(lambda: example.is_up(workers), within=30)
            yield example
            assert "Traceback" not in example.text
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture(scope="module")
def redis() -> Generator[RedisServer]:
    """Run one server for the tests of this module."""
    with redis_service() as server:
        yield server


@pytest.fixture(scope="module")
def example(redis: RedisServer) -> Generator[Example]:
    """Run the example once for most tests of this module."""
    with running(redis) as made:
        yield made


def test_first_words(example: Example) -> None:
    """The program says what to type into another terminal."""
    for command in ("curl -X POST {}/jobs", "curl {}/jobs", "curl -X DELETE {}/jobs/ID", "curl {}/workers"):
        assert command.format(example.url) in example.text


def test_from_any_worker(example: Example) -> None:
    """Jobs are listed, cancelled and shown by workers that they do not run in."""
    jobs = example.start_jobs()
    assert len(set(jobs.values())) > 1
    for job, pid in jobs.items():
        listed = example.ask("GET", "/jobs", not_in=pid)[1]
        assert listed["view"] == "shared"
        assert job in {each["id"] for each in listed["jobs"]}
        status, answer = example.ask("DELETE", f"/jobs/{job}", not_in=pid)
        assert (status, answer["state"], answer["job"]["status"]) == (200, "ended", "cancelled")
        message = answer["job"]["cancel"]["message"]
        assert message.startswith("asked for in process ")
        assert message != f"asked for in process {pid}"
        shown = example.ask("GET", f"/jobs/{job}")[1]
        assert (shown["status"], shown["cancel"]["message"], shown["metadata"]) == (
            "cancelled",
            message,
            {"seconds": 60},
        )
    assert example.ask("DELETE", f"/jobs/{job}")[0] == 200  # it is cancelled, as one wanted it to be
    assert example.ask("DELETE", "/jobs/none")[0] == 404
    assert example.ask("GET", "/jobs/none")[0] == 404


def test_job_that_ends_by_itself(example: Example) -> None:
    """A job that nobody cancels ends when its time has come."""
    job = example.ask("POST", "/jobs?seconds=0.3")[1]["id"]
    until(lambda: example.ask("GET", f"/jobs/{job}")[1].get("status") == "completed")


def test_worker_is_killed(example: Example) -> None:
    """The jobs of a worker that is killed are lost, the others run on, and there are four workers again."""
    jobs = example.start_jobs()
    killed = next(iter(jobs.values()))
    os.kill(killed, signal.SIGKILL)
    mine = [job for job, pid in jobs.items() if pid == killed]
    until(lambda: all(example.ask("GET", f"/jobs/{job}")[1]["status"] == "lost" for job in mine), within=20)
    until(lambda: example.is_up(4), within=20)
    assert killed not in example.workers()
    for job in jobs.keys() - set(mine):
        assert example.ask("GET", f"/jobs/{job}")[1]["status"] == "running"
        assert example.ask("DELETE", f"/jobs/{job}")[0] == 200


def test_redis_is_away(redis: RedisServer, example: Example) -> None:
    """Without Redis a job of another worker cannot be cancelled, and the client is told so; afterwards it can."""
    first = example.ask("POST", "/jobs")[1]
    until(lambda: first["id"] in {job["id"] for job in example.ask("GET", "/jobs")[1]["jobs"]})
    redis.stop()
    status, answer = example.ask("DELETE", f"/jobs/{first['id']}", not_in=first["pid"])
    assert status == 503
    assert "the registry cannot use the Redis" in answer["detail"]
    assert example.ask("GET", "/workers")[0] == 503
    redis.start()
    until(lambda: example.ask("GET", f"/jobs/{first['id']}", not_in=first["pid"])[0] == 200)
    assert example.ask("DELETE", f"/jobs/{first['id']}", not_in=first["pid"])[1]["state"] == "ended"


def test_ctrl_c() -> None:
    """Ctrl-C ends the workers at once, which cancel their jobs."""
    with redis_service() as redis, contextlib.closing(RedisBackend(redis.url)) as store:
        with running(redis, workers=2) as example:
            jobs = example.start_jobs()
            start = time.monotonic()
            os.killpg(example.process.pid, signal.SIGINT)
            assert example.process.wait(15) == 0
            assert time.monotonic() - start < 10
        ended = store.history(OperationFilter(), 100, None)
        assert {record.id: (record.status.value, record.cancel_message) for record in ended} == dict.fromkeys(
            jobs, ("cancelled", "the worker stops")
        )
        assert store.workers() == []


def test_without_redis() -> None:
    """Where there is no Redis it says so and what to do, and starts nothing."""
    program = [sys.executable, EXAMPLE, "--port", str(free_port()), "--redis", f"redis://127.0.0.1:{free_port()}/0"]
    done = subprocess.run(program, capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "the registry cannot use the Redis at 127.0.0.1:" in done.stderr
    assert "Start one (`redis-server`; Debian: apt-get install redis-server)" in done.stderr
    assert "Traceback" not in done.stderr
