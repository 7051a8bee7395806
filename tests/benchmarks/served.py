"""What requests cost under a real server and load, and how soon the handlers of clients that left have stopped."""

from __future__ import annotations

import json
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tables import NOTHING, Table

if TYPE_CHECKING:
    from report import Findings

LOADED = {
    "bare": "bare",
    "middleware": "`RequestCancelationMiddleware`",
    "operation": "the same, an operation in the endpoint",
    "with_cancelation": "`@with_cancelation`",
    "BaseHTTPMiddleware": "`BaseHTTPMiddleware` doing nothing",
}
CUT = {
    "operation": "`RequestCancelationMiddleware` and an operation",
    "with_cancelation": "`@with_cancelation`",
    "by hand": "by hand: a task group and `request.receive()`",
    "asking": "`request.is_disconnected()` every 100 ms",
}
CLIENTS = 2000
NO_WRK = "Requests under load were not measured: wrk is not in PATH (Debian: apt-get install wrk)."


def run(quick: bool, findings: Findings) -> None:
    """Add both tables."""
    if shutil.which("wrk") is None:
        findings.remark(NO_WRK)
    else:
        findings.tables.append(under_load(rounds=1 if quick else 3, seconds=1 if quick else 2))
    findings.tables.append(cut_off(200 if quick else CLIENTS))


@contextmanager
def serving(coat: str) -> Generator[int]:
    """Serve the app in a coat; give the port, which accepts from the beginning."""
    program = Path(__file__).with_name("served_app.py")
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
        descriptor = listener.fileno()
        command = [sys.executable, str(program), coat, str(descriptor)]
        with subprocess.Popen(command, pass_fds=[descriptor], stdout=subprocess.DEVNULL) as process:
            try:
                port: int = listener.getsockname()[1]
                state(port)
                yield port
            finally:
                process.kill()


def state(port: int) -> dict[str, float]:
    """Return what the app says of its waiting handlers; waits until it serves."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/state", timeout=30) as answer:
        found: dict[str, float] = json.load(answer)
    return found


@dataclass(frozen=True)
class Load:
    """What wrk has measured, or the medians of several times."""

    per_second: float
    slowest: float
    """The 99th percentile of the times, in milliseconds."""
    cpu: float = 0.0
    """What a request took of the server's CPU time, in microseconds."""


def under_load(rounds: int, seconds: int) -> Table:
    """Load each coat in turns; the first turn only warms up."""
    found: dict[str, list[Load]] = {name: [] for name in LOADED}
    with ExitStack() as stack:
        ports = {name: stack.enter_context(serving(name)) for name in LOADED}
        for name, port in list(ports.items()) * (rounds + 1):
            found[name].append(load(port, seconds if found[name] else 1))
    medians = {name: median(loads[1:]) for name, loads in found.items()}
    lines = [load_line(title, medians[name], medians["bare"]) for name, title in LOADED.items()]
    heads = ["FastAPI under uvicorn", "requests/s", "of bare", "p99", "of bare", "CPU per request", "more than bare"]
    note = "wrk on loopback with 32 connections, uvloop and httptools, the apps in turns."
    return Table("Requests", heads, lines, note)


def load_line(title: str, load: Load, bare: Load) -> list[str]:
    """Return a line of the table."""
    faster, slower = f"{load.per_second / bare.per_second:.2f}", f"{load.slowest / bare.slowest:.2f}"
    cpu = f"{load.cpu:.0f} µs", f"{load.cpu - bare.cpu:+.0f} µs"
    return [title, f"{load.per_second:,.0f}", faster, f"{load.slowest:.2f} ms", slower, *cpu]


def median(loads: Sequence[Load]) -> Load:
    """Return the middle of each number."""
    return Load(
        statistics.median(each.per_second for each in loads),
        statistics.median(each.slowest for each in loads),
        statistics.median(each.cpu for each in loads),
    )


def load(port: int, seconds: int) -> Load:
    """Have wrk load a server."""
    command = ["wrk", "-t1", "-c32", f"-d{seconds}s", "--latency", f"http://127.0.0.1:{port}/"]
    before = state(port)["cpu"]
    report = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return parsed(report, state(port)["cpu"] - before)


def parsed(report: str, cpu: float) -> Load:
    """Read the report of wrk; the server's CPU time comes in seconds.

    Raises:
        ValueError: If something went wrong, as it says.
    """
    rate = re.search(r"Requests/sec:\s+([\d.]+)", report)
    slowest = re.search(r"99%\s+([\d.]+)(us|ms|s)", report)
    requests = re.search(r"(\d+) requests in", report)
    if rate is None or slowest is None or requests is None or "Non-2xx" in report:
        raise ValueError(f"wrk has not measured what it should:\n{report}")
    in_ms = float(slowest[1]) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[slowest[2]]
    return Load(float(rate[1]), in_ms, cpu / max(int(requests[1]), 1) * 1e6)


def cut_off(clients: int) -> Table:
    """Cut off all clients at once, for each coat."""
    lines = [[title, _cut(name, clients)] for name, title in CUT.items()]
    note = "From the moment when the first connection is closed. Of the bare app no handler ever stops."
    return Table(f"{clients:,} clients leave at once", ["what watches", "the last handler has stopped"], lines, note)


def _cut(name: str, clients: int) -> str:
    import resource  # there is none on Windows, where nothing else of this module is missing

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        with serving(name) as port, ExitStack() as stack:
            connections = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(clients)]
            for connection in connections:
                connection.sendall(b"GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n")
            if not _comes_true(lambda: state(port)["running"] == clients):
                return NOTHING
            start = time.monotonic()
            for connection in connections:
                connection.close()
            if not _comes_true(lambda: state(port)["running"] == 0):
                return "never"
            return f"{(state(port)['stopped'] - start) * 1e3:.0f} ms"
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _comes_true(condition: Callable[[], bool]) -> bool:
    """Ask until something is true, for half a minute."""
    deadline = time.monotonic() + 30
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True
