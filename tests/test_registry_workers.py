"""Operations of four workers, listed and cancelled from any of them."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Generator

import pytest

from .redis_service import RedisServer, redis_service, until
from .registry_workers import Connection, Workers, registry_workers

pytestmark = [pytest.mark.server, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def redis() -> Generator[RedisServer]:
    """Run one server for all tests of this module."""
    with redis_service() as server:
        yield server


@pytest.fixture(scope="module")
def workers(redis: RedisServer) -> Generator[Workers]:
    """Run one application for all tests of this module."""
    with registry_workers(redis, loop="uvloop") as running:  # on asyncio uvicorn's answers take 40 ms more
        yield running


def test_any_worker_lists_all(workers: Workers) -> None:
    """Each worker lists the 60 operations of all, with their owners, ages, and progress at most two seconds old."""
    before = time.time()
    owners = workers.spread("list", 15)
    started = time.time()
    assert len(owners) == 60
    first = next(iter(workers.connections.values()))
    until(lambda: all(record["progress"]["time"] > started for record in first.listing("list")))
    for each in workers.connections.values():
        there = [worker for worker in each.ask("GET", "/workers") if worker["state"] != "lost"]  # on a busy machine
        pids = {worker["id"]: worker["pid"] for worker in there}
        assert sorted(pids.values()) == sorted(workers.connections)
        for attempt in range(3):
            records = each.listing("list")
            now = time.time()
            assert {record["id"]: pids[record["worker"]] for record in records} == {
                job: owner.pid for job, owner in owners.items()
            }
            assert all(now - started - 1 < record["age"] < now - before + 1 for record in records)
            assert {record["progress"]["percent"] for record in records} == {50}
            if all(now - record["progress"]["time"] <= 2 for record in records):
                break
            assert attempt < 2, "progress is too old"


def cancel_sixty(workers: Workers, name: str) -> float:
    """Cancel 60 operations, each through a random worker; return how long it took until 95 % of them had ended."""
    chance = random.Random(name)
    owners = workers.spread(name, 15)
    asked = {job: chance.choice(list(workers.connections.values())) for job in owners}
    assert sum(asked[job] is not owner for job, owner in owners.items()) >= 20
    times = list[float]()
    for job, each in asked.items():
        start = time.monotonic()
        result = each.cancel(job, f"no {job}", reason="shutdown", wait=5)
        times.append(time.monotonic() - start)
        assert result["state"] == "ended"
        assert result["record"]["status"] == "cancelled"
        assert (result["record"]["cancel"]["reason"], result["record"]["cancel"]["message"]) == (
            "shutdown",
            f"no {job}",
        )
    assert workers.other_than(each).listing(name) == []
    return sorted(times)[56]


def test_any_worker_cancels(workers: Workers) -> None:
    """Each of 60 operations ends with the reason and message given to a random worker, most within 100 ms."""
    assert any(cancel_sixty(workers, f"cancel-{attempt}") < 0.1 for attempt in range(3))


def test_cancelled_ten_times_at_once(workers: Workers) -> None:
    """Of ten requests at once one wins: the hook runs once, all learn how it ended, and so does one who comes later."""
    [job] = next(iter(workers.connections.values())).ask("POST", "/jobs", name="once", count=1)
    asking = [*workers.connections.values(), *(Connection(workers.port) for _ in range(6))]
    reasons = ["manual", "shutdown", "condition", "timeout", "error"] * 2
    ready, answers = threading.Barrier(10), dict[int, tuple[str, str, str]]()

    def ask(number: int) -> None:
        ready.wait()
        result = asking[number].cancel(job, str(number), reason=reasons[number], wait=5)
        answers[number] = result["state"], result["record"]["cancel"]["reason"], result["record"]["cancel"]["message"]

    threads = [threading.Thread(target=ask, args=[number]) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winner = int(answers[0][2])
    assert answers == dict.fromkeys(range(10), ("ended", reasons[winner], str(winner)))
    assert sum(each.ask("GET", f"/jobs/{job}")["hooks"] for each in workers.connections.values()) == 1
    late = workers.connections[min(workers.connections)].cancel(job, "late", reason="parent")
    assert (late["state"], late["record"]["status"]) == ("ended", "cancelled")
    assert late["record"]["cancel"]["message"] == str(winner)
    for each in asking[4:]:
        each.close()


def test_metadata_stays_here(workers: Workers, redis: RedisServer) -> None:
    """Metadata that is not on the allow-list, and that of progress, is never written to the store."""
    owners = workers.spread("secretive", 2)
    for job, owner in owners.items():
        asked = workers.other_than(owner).ask("GET", f"/jobs/{job}")["record"]
        assert asked["metadata"] == {"colour": "green"}
        assert workers.other_than(owner).cancel(job, "enough", wait=5)["state"] == "ended"
    written = b"".join(path.read_bytes() for path in redis.folder.rglob("*.aof*"))
    assert Counter(word in written for word in (b"secretive", b"green", b"at work", b"enough")) == {True: 4}
    assert not any(word in written for word in (b"a secret", b"password", b"hidden"))
