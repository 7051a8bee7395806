"""Four workers whose Redis goes away and comes back empty."""

from __future__ import annotations

import contextlib
import gc
import sys
import time

import anyio
import pytest

from hother.cancelable import Cancelable
from hother.cancelable.registry import OperationRegistry, RedisBackend, View

from .redis_service import RedisServer, redis_service, until
from .registry_app import BEAT
from .registry_workers import Connection, Refused, Workers, registry_workers

pytestmark = [pytest.mark.server, pytest.mark.timeout(120)]


def short_operations(connection: Connection) -> float:
    """Have a worker run operations of 50 ms; return how long they took in seconds, but for the slowest hundredth."""
    connection.ask("POST", "/short", seconds=2)
    numbers = connection.ask("GET", "/short")
    while numbers["running"]:
        time.sleep(0.1)
        numbers = connection.ask("GET", "/short")
    assert numbers["count"] > 50
    assert numbers["failed"] == 0
    p99: float = numbers["p99"]
    return p99


def refused_within(connection: Connection, job: str) -> float:
    """Ask for an operation of another worker to be cancelled; return how long it took to hear that it cannot be."""
    start = time.monotonic()
    with pytest.raises(Refused) as caught:
        connection.cancel(job, "not now", wait=10)
    assert caught.value.status == 503
    return time.monotonic() - start


def check_local(workers: Workers, jobs: dict[str, Connection]) -> None:
    """Each worker lists its own operations, says that these are not all, and cancels them."""
    for each in workers.connections.values():
        mine = {job for job, owner in jobs.items() if owner is each}
        page = each.ask("GET", "/jobs", name="out")
        assert page["view"] == "local"
        assert {record["id"] for record in page["records"]} == mine
        ended = each.cancel(min(mine), "out of order", wait=5)
        assert (ended["state"], ended["record"]["cancel"]["message"]) == ("ended", "out of order")
        del jobs[min(mine)]


def listed_again_after(workers: Workers, redis: RedisServer, jobs: dict[str, Connection]) -> float:
    """Start the server, and return how long it took until every worker listed all operations."""
    redis.start()
    start = time.monotonic()
    for each in workers.connections.values():
        until(lambda each=each: {record["id"] for record in each.listing("out")} == set(jobs))  # type: ignore[misc]
        assert each.ask("GET", "/jobs", name="out")["view"] == "shared"
    return time.monotonic() - start


def test_redis_is_away() -> None:
    """Operations go on as before, a remote cancel is refused soon, each worker knows its own; then all is back."""
    with redis_service() as redis, registry_workers(redis) as workers:
        jobs = workers.spread("out", 5, quiet=True)
        busy, other = list(workers.connections.values())[:2]
        redis.stop()
        assert any(short_operations(busy) < 0.07 for _ in range(3))
        foreign = next(job for job, owner in jobs.items() if owner is busy)
        assert min(refused_within(other, foreign) for _ in range(3)) < 2
        check_local(workers, jobs)
        again = [listed_again_after(workers, redis, jobs)]
        while min(again) > 2 * BEAT and len(again) < 3:
            redis.stop()
            until(lambda: other.ask("GET", "/jobs", name="out")["view"] == "local")
            again.append(listed_again_after(workers, redis, jobs))
        assert min(again) <= 2 * BEAT
        for job, owner in jobs.items():
            ended = workers.other_than(owner).cancel(job, "it is back", wait=5)
            assert (ended["state"], ended["record"]["cancel"]["message"]) == ("ended", "it is back")


def test_memory_while_redis_is_away() -> None:
    """However many operations run while Redis is away, 100,000 leave no more behind than the first ones did."""
    with redis_service() as redis, contextlib.closing(RedisBackend(redis.url, lease=1.5)) as backend:
        registry = OperationRegistry(backend)
        redis.stop()

        async def run(times: int) -> int:
            for _ in range(times):
                operation = Cancelable(name="short")
                await registry.register(operation)
                async with operation:
                    await operation.report_progress("half", {"percent": 50})
            gc.collect()
            return sys.getallocatedblocks()

        async def main() -> None:
            before = await run(12_000)  # until what is bounded is full
            assert await run(100_000) - before < 5_000
            assert backend.health()["queue"] <= 10_000
            page = await registry.page()
            assert (page.records, page.view) == ([], View.LOCAL)

        anyio.run(main)
