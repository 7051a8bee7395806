"""What the registry's Redis does, beside a raw `XADD` round trip; no limits, since it depends on the machine.

As a script it is the other process: `shared_store.py URL`.
"""

from __future__ import annotations

import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Any

import anyio
import redis
from tables import Table

from hother.cancelable import Cancelable, CancelationReason
from hother.cancelable.registry import OperationFilter, OperationRegistry, RedisBackend

if TYPE_CHECKING:
    from report import Findings

CROWD = 1000
ROUNDS = 10
CANCELS = 200


@contextmanager
def server() -> Generator[str]:
    """Run a redis-server that writes nothing to disk; give its URL."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        process = stack.enter_context(subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL))
        stack.callback(process.kill)
        wait_until(lambda: accepts(port))
        yield f"redis://127.0.0.1:{port}/0"


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def wait_until(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.0005)


def raw(url: str) -> list[float]:
    """Return how long raw round trips take, in milliseconds."""
    times: list[float] = []
    with redis.Redis.from_url(url) as client:
        for number in range(CROWD * 5):
            start = time.perf_counter()
            client.xadd("raw", {"number": number, "status": "running"}, maxlen=1000)
            times.append((time.perf_counter() - start) * 1e3)
    return times


async def throughput(url: str) -> float:
    """Return how many operations start and finish in a second, where both are written to the store."""
    with closing(RedisBackend(url, namespace="throughput")) as backend:
        registry = OperationRegistry(backend)
        await registry.get_statistics()
        start = time.perf_counter()
        for _ in range(ROUNDS):
            operations = [Cancelable(name="short") for _ in range(CROWD)]
            for operation in operations:
                await registry.register(operation)
                await operation.__aenter__()
            await written(backend)
            for operation in reversed(operations):
                await operation.__aexit__(None, None, None)
            await written(backend)
        while (await registry.get_statistics())["total_completed"] < ROUNDS * CROWD:
            pass
        return ROUNDS * CROWD / (time.perf_counter() - start)


async def written(backend: RedisBackend) -> None:
    while backend.health()["queue"]:
        await anyio.sleep(0.0005)


def cancels(url: str) -> tuple[list[float], list[float]]:
    """Cancel in another process; return how long until the end was known here, and until the end, in milliseconds."""
    known: list[float] = []
    ended: list[float] = []
    with closing(RedisBackend(url)) as backend, subprocess.Popen([sys.executable, __file__, url]) as other:
        wait_until(lambda: backend.count(OperationFilter()) == CANCELS)
        for record in backend.page(OperationFilter(), CANCELS, None).records:
            start = time.perf_counter()
            result = backend.cancel(record.id, CancelationReason.MANUAL, "no more", None, 5).record
            known.append((time.perf_counter() - start) * 1e3)
            assert result is not None
            assert result.cancel is not None
            ended.append(((result.ended or 0) - (result.cancel.requested or 0)) * 1e3)
        other.wait()
    return known, ended


async def serve(url: str) -> None:
    """Be the other process: run operations until all were cancelled."""
    OperationRegistry(RedisBackend(url)).track_all()

    async def work() -> None:
        async with Cancelable(name="work", move_on=True):
            await anyio.sleep_forever()

    async with anyio.create_task_group() as group:
        for _ in range(CANCELS):
            group.start_soon(work)


def run(findings: Findings) -> None:
    """Add the table; without redis-server, that there is none."""
    if shutil.which("redis-server") is None:
        findings.remark("The shared store was not measured: redis-server is not in PATH (Debian: redis-server).")
        return
    with server() as url:
        round_trip, per_second = raw(url), anyio.run(throughput, url)
        known, ended = cancels(url)
    trips = f"{1000 / statistics.mean(round_trip):,.0f} round trips"
    lines = [["operations started and finished per second, from one process", f"{per_second:,.0f}", trips]]
    for what, times in (("cancel in another process until it has ended", ended), ("until that is known", known)):
        lines += [[f"{what}, p{percent}", at(times, percent), at(round_trip, percent)] for percent in (50, 99)]
    note = "No limits: this depends on the machine. The other process has an event loop of its own."
    findings.tables.append(Table("Through Redis", ["Redis on loopback", "ours", "raw `XADD`"], lines, note))


def at(times: list[float], percent: int) -> Any:
    return f"{sorted(times)[len(times) * percent // 100]:.2f} ms"


if __name__ == "__main__":
    anyio.run(serve, sys.argv[1])
