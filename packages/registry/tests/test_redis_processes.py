"""Processes of their own: on every event loop, without one, forked, spawned, and killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import pytest

pytest.importorskip("redis", reason="the shared store needs the extra redis, which is not installed")

from hother.cancelable import CancelationReason
from hother.cancelable.registry import CancelState, OperationFilter, RecordStatus, WorkerState

from .fake_process import FakeProcess
from .redis_programs import LOOPS
from .redis_server import Namespace, namespace, redis_server, until

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs POSIX"),
]

ALL = OperationFilter()
each_loop = pytest.mark.parametrize("loop", LOOPS)


@contextlib.contextmanager
def program(here: Namespace, name: str, loop: str = "asyncio") -> Generator[subprocess.Popen[str]]:
    """Run a program; it ends without error, or is killed."""
    command = [sys.executable, "-Werror", str(Path(__file__).with_name("redis_programs.py")), name]
    process = subprocess.Popen(
        [*command, here.url, here.name, loop],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
        _, errors = process.communicate(timeout=20)
        lines = [line for line in errors.splitlines() if "cannot use the Redis" not in line]
        assert (lines, process.returncode in (0, -9)) == ([], True)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # with its children
        process.communicate()


def says(process: subprocess.Popen[str], count: int) -> list[str]:
    """Return the next lines of a program, sorted."""
    assert process.stdout is not None
    return sorted(process.stdout.readline().rstrip("\n") for _ in range(count))


@each_loop
def test_each_loop(loop: str) -> None:
    """On each event loop, jobs of another process are listed, cancelled, and told why; their process leaves at exit."""
    with namespace() as here:
        other = here.backend()
        with program(here, "three", loop) as process:
            says(process, 3)
            until(lambda: other.count(ALL) == 3)
            for name in "abc":
                result = other.cancel(name, CancelationReason.SHUTDOWN, f"stop {name}", None, 5)
                assert result.state is CancelState.ENDED
                assert result.record is not None
                assert result.record.status is RecordStatus.CANCELLED
            assert says(process, 3) == [f"{name} cancelled shutdown stop {name}" for name in "abc"]
        assert other.workers() == []


def test_exit() -> None:
    """A program that ends without closing anything leaves at once, and what it leaves behind is lost."""
    with namespace() as here:
        other = here.backend()
        with program(here, "leaving") as process:
            assert says(process, 1) == ["a runs"]
            until(lambda: other.get("a"))
            process.communicate("go\n", timeout=20)
            assert other.workers() == []
            record = other.get("a")
            assert record is not None
            assert record.status is RecordStatus.LOST


def test_kill() -> None:
    """The operations of a process that is killed are lost within its lease and two beats; the others run on."""
    with namespace() as here:
        other = FakeProcess(here.backend(lease=1.5))
        other.start("mine")
        with program(here, "three") as process:
            says(process, 3)
            until(lambda: other.backend.count(ALL) == 4)
            process.kill()
            lost = OperationFilter.of({"status": "lost"})
            assert until(lambda: other.backend.count(lost) == 3) < 1.5 + 2 * 0.5 + 1
        mine = other.backend.get("mine")
        assert mine is not None
        assert mine.status is RecordStatus.RUNNING


@each_loop
def test_blocked_loop(loop: str) -> None:
    """A process whose event loop is blocked is suspect, though its thread is heard of; its operations are not lost."""
    with namespace() as here:
        other = here.backend()
        with program(here, "blocking", loop) as process:
            assert says(process, 1) == ["a runs"]
            until(lambda: [worker.state for worker in other.workers()] == [WorkerState.SUSPECT])
            [worker] = other.workers()
            assert worker.loop_lag is not None
            assert worker.loop_lag > 0.7
            assert other.cancel("a", CancelationReason.MANUAL, None, None, None).state is CancelState.REQUESTED
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
            until(lambda: (record := other.get("a")) and record.status is RecordStatus.CANCELLED)


def test_without_loop() -> None:
    """A program without an event loop lists and cancels, too."""
    with namespace() as here, program(here, "three") as process:
        says(process, 3)
        other = here.backend()
        until(lambda: other.count(ALL) == 3)
        for name in "ab":
            other.cancel(name, CancelationReason.MANUAL, None, None, 5)
        with program(here, "without_loop") as asking:
            assert says(asking, 1) == ["ended cancelled"]
        assert "c cancelled shutdown no loop" in says(process, 3)


def test_fork() -> None:
    """After a fork the children are processes of their own, whose operations are listed and cancelled like others."""
    with namespace() as here, program(here, "forking") as process:
        other = here.backend()
        assert says(process, 3) == ["a runs", "b runs", "parent runs"]
        until(lambda: other.count(ALL) == 3)
        assert len({record.worker for record in other.page(ALL, 9, None).records}) == 3
        assert len({worker.pid for worker in other.workers()}) == 3
        for name in ("a", "parent", "b"):
            assert other.cancel(name, CancelationReason.MANUAL, None, None, 5).state is CancelState.ENDED
        assert other.statistics()["total_started"] == 4


def test_fork_while_something_is_noted() -> None:
    """What the parent has noted is written by the parent alone; the child has no thread before somebody asks for it."""
    with namespace() as here, program(here, "forked_while_noted") as process:
        assert says(process, 3) == ["child 0 1 False", "child takes part: True", "parent 1"]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing(method: str) -> None:
    """Workers of `multiprocessing` take part however they were started, and leave when they end."""
    with namespace() as here:
        other = here.backend()
        with program(here, "multiprocess", method) as process:
            assert says(process, 2) == ["a runs", "b runs"]
            until(lambda: other.count(ALL) == 2)
            for name in "ab":
                assert other.cancel(name, CancelationReason.MANUAL, None, None, 5).state is CancelState.ENDED
        assert {record.status for record in other.history(ALL, 9, None)} == {RecordStatus.CANCELLED}


def test_operations_do_not_wait() -> None:
    """Operations of 50 ms take no longer while the server stops, is away, and comes back (best of three tries)."""
    worst = worst_of_an_outage()
    for _ in range(2):
        worst = worst if worst < 70 else worst_of_an_outage()
    assert worst < 70


def worst_of_an_outage() -> float:
    """Return the p99 of operations of 50 ms while the server stops, is away, and comes back, in milliseconds."""
    with redis_server() as server, namespace(server) as here, program(here, "busy") as process:
        assert says(process, 1) == ["runs"]
        server.freeze()
        start = time.monotonic()
        until(lambda: time.monotonic() - start > 1)
        server.stop()
        until(lambda: time.monotonic() - start > 2)
        server.start()
        [worst] = says(process, 1)
        return float(worst)


def test_fork_waits_for_the_thread() -> None:
    """A fork waits until the thread is at rest, so that the child finds no lock that nobody will release."""
    with namespace() as here:
        one = FakeProcess(here.backend())
        one.backend.get("x")
        one.backend.before_fork()
        one.start("x")
        other = here.backend()
        start = time.monotonic()
        until(lambda: time.monotonic() - start > 0.3 or other.get("x"))
        assert other.get("x") is None
        one.backend.after_fork_in_parent()
        until(lambda: other.get("x"))
