"""Redis is away for a while: operations go on, and all is right again when it is back."""

from __future__ import annotations

import logging
import time

import pytest

pytest.importorskip("redis", reason="the shared store needs the extra redis, which is not installed")

import redis

from hother.cancelable import CancelationReason
from hother.cancelable.registry import (
    BackendUnavailable,
    CancelState,
    EventKind,
    OperationFilter,
    RecordStatus,
    RedisBackend,
)
from hother.cancelable.registry.redis.notes import ENDED_LIMIT

from .fake_process import FakeProcess
from .redis_server import Namespace, Server, namespace, redis_server, until

pytestmark = pytest.mark.server

ALL = OperationFilter()
LEASE = 1.5
MANUAL = CancelationReason.MANUAL


def is_away(backend: RedisBackend) -> bool:
    """Return whether a backend has noticed that the server is away."""
    return not backend.health()["available"]


def unavailable_within(backend: RedisBackend) -> float:
    """Return how long it takes until a request to cancel is answered with `BackendUnavailable`."""
    start = time.monotonic()
    with pytest.raises(BackendUnavailable):
        backend.cancel("x", MANUAL, None, None, 10)
    return time.monotonic() - start


def away(server: Server, here: Namespace) -> FakeProcess:
    """Return a process with one operation, whose server has gone."""
    one = FakeProcess(here.backend(lease=LEASE))
    one.start("x")
    assert one.backend.get("x") is not None
    server.stop()
    until(lambda: is_away(one.backend))
    return one


def test_comes_back_empty() -> None:
    """When the server comes back empty, everything that runs is listed within two beats and can be cancelled."""
    with redis_server() as server, namespace(server) as here:
        one = away(server, here)
        one.start("y")
        assert unavailable_within(one.backend) < 2
        old = one.backend.worker
        server.start()
        start, other = time.monotonic(), here.backend()
        until(lambda: other.count(ALL) == 2)
        assert time.monotonic() - start < 2 * LEASE / 3 + 1
        assert one.backend.worker != old
        for name in "xy":
            assert other.cancel(name, MANUAL, name, None, 5).state is CancelState.ENDED
        assert [told[0] for told in one.told] == ["x", "y"]


def test_what_has_ended_meanwhile() -> None:
    """What ends while the server is away is in the history when it is back, and nothing runs that does not."""
    with redis_server() as server, namespace(server) as here:
        one = away(server, here)
        one.end("x", RecordStatus.FAILED)
        one.start("y")
        one.end("y")
        one.start("z")
        server.start()
        until(lambda: not is_away(one.backend))
        until(lambda: one.backend.statistics()["total_completed"] == 2)
        assert {each.id: each.status.value for each in one.backend.history(ALL, 9, None)} == {
            "x": "failed",
            "y": "completed",
        }
        assert [each.id for each in one.backend.page(ALL, 9, None).records] == ["z"]


def test_memory_is_bounded() -> None:
    """However many operations end while the server is away, a bounded number is kept, and notes cost little time."""
    with redis_server() as server, namespace(server) as here:
        one = away(server, here)
        start = time.monotonic()
        for number in range(100_000):
            one.start(str(number))
            one.report(str(number), "half")
            one.end(str(number))
        assert time.monotonic() - start < 20
        assert one.backend.health()["queue"] <= ENDED_LIMIT + 1
        assert one.backend.health()["dropped"] >= 100_000 - ENDED_LIMIT - 200
        server.start()
        until(lambda: not is_away(one.backend), within=20)
        assert [each.id for each in one.backend.page(ALL, 9, None).records] == ["x"]


def test_server_that_has_lost_the_last_changes() -> None:
    """When the server comes back as it was some time ago, it is told how things stand now."""
    with redis_server() as server, namespace(server) as here:
        one = FakeProcess(here.backend(lease=60, heartbeat=0.5))
        one.start("old")
        one.backend.get("old")
        client = server.client()
        copies = {key: _dump(server, key) for key in client.keys("*")}
        one.end("old")
        one.start("new")
        one.backend.get("new")
        server.stop()
        until(lambda: is_away(one.backend))
        server.start()
        raw = _raw(server)
        for key, value in copies.items():
            raw.restore(key, 0, value, replace=True)
        until(lambda: not is_away(one.backend))
        until(lambda: [each.id for each in one.backend.page(ALL, 9, None).records] == ["new"])
        record = one.backend.get("old")
        assert record is None or record.status is not RecordStatus.RUNNING


def _raw(server: Server) -> redis.Redis:
    return redis.Redis(port=server.port)


def _dump(server: Server, key: str) -> bytes:
    value = _raw(server).dump(key)
    assert isinstance(value, bytes)
    return value


def test_logs_once(caplog: pytest.LogCaptureFixture) -> None:
    """There is one warning when the server is lost, and one line when it is back, however long that takes."""
    caplog.set_level(logging.INFO, logger="hother.cancelable")
    with redis_server("--requirepass", "s3cret") as server:
        here = Namespace(f"redis://:s3cret@127.0.0.1:{server.port}/0")
        one = FakeProcess(here.backend(lease=0.9))
        one.start("x")
        one.backend.get("x")
        assert (caplog.records, one.backend.health()["errors"]) == ([], 0)
        server.stop()
        until(lambda: is_away(one.backend))
        until(lambda: one.backend.health()["errors"] > 3)
        server.start()
        until(lambda: not is_away(one.backend))
        until(lambda: len(caplog.records) == 2)
        here.close()
    lost, back = caplog.records
    assert (lost.levelname, back.levelname) == ("WARNING", "INFO")
    address = f"127.0.0.1:{server.port}/0"
    assert lost.message.startswith(f"the registry cannot use the Redis at {address}: ConnectionError")
    assert back.message == f"the registry's Redis at {address} is back"
    assert "s3cret" not in caplog.text


def test_absent_at_first() -> None:
    """A server that comes only after the registry has started is used as soon as it is there."""
    with redis_server() as server, namespace(server) as here:
        server.stop()
        one = FakeProcess(here.backend())
        one.start("x")
        until(lambda: one.backend.health()["error"])
        server.start()
        until(lambda: not is_away(one.backend))
        assert one.backend.get("x") is not None


def test_leaving_without_server() -> None:
    """Closing takes no time where the server is away."""
    with redis_server() as server, namespace(server) as here:
        one = away(server, here)
        start = time.monotonic()
        one.backend.close()
        assert time.monotonic() - start < 2


def test_scripts_that_were_flushed() -> None:
    """A server that has forgotten the scripts is given them again."""
    with redis_server() as server, namespace(server) as here:
        one = FakeProcess(here.backend())
        one.start("x")
        one.backend.get("x")
        server.client().script_flush()
        one.start("y")
        assert one.backend.count(ALL) == 2


def test_failure_in_the_thread() -> None:
    """Where something fails that nobody thought of, the thread goes on, and health tells."""
    with namespace() as here:
        one = FakeProcess(here.backend(lease=0.9))
        one.backend.get("x")
        one.find = lambda _: 1 / 0  # type: ignore[assignment, method-assign, return-value]
        one.start("x")
        until(lambda: one.backend.health()["error"])
        assert one.backend.health()["error"] == "the registry's thread failed: ZeroDivisionError"
        del one.find
        until(lambda: not is_away(one.backend))
        until(lambda: one.backend.get("x"))
        one.change("x", EventKind.STARTED, name="again")
        until(lambda: (record := one.backend.get("x")) and record.name == "again")


def test_more_ends_than_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where more ends than are kept come while the server is there, none of the operations seems to run for ever."""
    monkeypatch.setattr("hother.cancelable.registry.redis.notes.ENDED_LIMIT", 5)
    with namespace() as here:
        one = FakeProcess(here.backend(lease=60))
        for number in range(20):
            one.start(str(number))
        assert one.backend.count(ALL) == 20
        service = one.backend._service
        assert service is not None
        service.rest()  # as if a write took long
        for number in range(20):
            one.end(str(number))
        service.go_on()
        until(lambda: one.backend.count(ALL) == 0)
        numbers = one.backend.statistics()["history_by_status"]
        assert numbers["completed"] + numbers["lost"] == 20
        assert numbers["lost"] >= 10
