"""Ids that are used again: in another process, soon after the end, or while the one before is not known to be over."""

from __future__ import annotations

import logging

import pytest

pytest.importorskip("redis", reason="the shared store needs the extra redis, which is not installed")

import anyio

from hother.cancelable import CancelationReason
from hother.cancelable.registry import (
    BackendUnavailable,
    CancelState,
    EventKind,
    OperationRegistry,
    RecordStatus,
    RedisBackend,
)
from hother.cancelable.registry.redis import taken

from . import shared
from .fake_process import FakeProcess
from .redis_server import namespace, redis_server, until

pytestmark = pytest.mark.server

MANUAL = CancelationReason.MANUAL


def owner_of(backend: RedisBackend, operation_id: str) -> str | None:
    """Return which process holds an operation that runs."""
    record = backend.get(operation_id)
    return None if record is None or record.status is not RecordStatus.RUNNING else record.worker


def test_an_id_that_ended_here_and_runs_elsewhere() -> None:
    """A request reaches an operation of another process though one with its id has ended in this process before."""

    async def main() -> None:
        first, second = OperationRegistry(here.backend()), OperationRegistry(here.backend())
        before, again = shared.work(operation_id="job"), shared.work(operation_id="job")
        await shared.listed(first, before)
        async with before:
            pass
        await first.count()  # its end is stored now
        await shared.listed(second, again)
        async with shared.running(again):
            await second.count()
            result = await first.cancel("job", wait=5)
        assert (result.state, again.is_cancelled) == (CancelState.ENDED, True)
        assert result.record is not None
        assert result.record.status is RecordStatus.CANCELLED

    with namespace() as here:
        anyio.run(main)


def test_how_it_ended_here_without_the_store() -> None:
    """While the server is away, a request for what has ended here is answered from here, and no other one is."""

    async def main() -> None:
        registry, operation = OperationRegistry(here.backend()), shared.work(operation_id="job")
        await shared.listed(registry, operation)
        server.stop()
        async with operation:
            pass
        result = await registry.cancel("job")
        assert result.state is CancelState.ENDED
        assert result.record is not None
        assert result.record.status is RecordStatus.COMPLETED
        with pytest.raises(BackendUnavailable):
            await registry.cancel("another")

    with redis_server() as server, namespace(server) as here:
        anyio.run(main)


def test_an_id_whose_process_was_killed(caplog: pytest.LogCaptureFixture) -> None:
    """An operation whose id a dead process holds is listed when that one is lost; there is one warning before."""
    caplog.set_level(logging.WARNING, logger="hother.cancelable")
    with namespace() as here:
        dead, alive, other = FakeProcess(here.backend(lease=1.2)), FakeProcess(here.backend(lease=0.6)), here.backend()
        dead.start("job")
        assert dead.backend.get("job") is not None
        dead.vanish()
        alive.start("job")
        until(lambda: owner_of(other, "job") == alive.backend.worker)
        assert other.cancel("job", MANUAL, "now", None, 5).state is CancelState.ENDED
        assert [told[0] for told in alive.told] == ["job"]
    told = [each.getMessage() for each in caplog.records]
    assert told == ["the operation 'job' is not listed: another process has one with this id"]


def test_an_id_that_moves_at_once(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """An operation that begins just before the end of the one before is written is listed soon, without a warning."""
    monkeypatch.setattr(taken, "SOON", 2.5)
    with namespace() as here:
        first, second = FakeProcess(here.backend(lease=60)), FakeProcess(here.backend(lease=60))
        first.start("job")
        assert owner_of(second.backend, "job") == first.backend.worker
        second.start("job")
        assert owner_of(second.backend, "job") == first.backend.worker  # it was refused by now
        second.change("job", EventKind.STUCK, stuck="still refused")
        assert owner_of(second.backend, "job") == first.backend.worker
        first.end("job")
        assert until(lambda: owner_of(first.backend, "job") == second.backend.worker) < 5
    assert caplog.messages == []
