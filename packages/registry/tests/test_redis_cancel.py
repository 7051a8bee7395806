"""Cancelling an operation of another process."""

from __future__ import annotations

import threading
import time

import pytest

pytest.importorskip("redis", reason="the shared store needs the extra redis, which is not installed")

from hother.cancelable import CancelationReason
from hother.cancelable.registry import CancelState, EventKind, OperationFilter, RecordStatus
from hother.cancelable.registry.redis.delivery import Inbox

from .fake_process import FakeProcess
from .redis_server import namespace, shared_server, until

pytestmark = pytest.mark.server

MANUAL, SHUTDOWN = CancelationReason.MANUAL, CancelationReason.SHUTDOWN


def test_reaches_the_owner() -> None:
    """A request through one process ends the operation in another, with its reason, message and origin."""
    with namespace() as here:
        owner, other = FakeProcess(here.backend()), here.backend()
        owner.start("x")
        owner.backend.get("x")  # it is stored now
        result = other.cancel("x", SHUTDOWN, "deploy", "me", 5)
        assert result.state is CancelState.ENDED
        assert result.record is not None
        assert result.record.status is RecordStatus.CANCELLED
        assert result.record.cancel is not None
        assert result.record.cancel[:3] == (SHUTDOWN, "deploy", "me")
        assert owner.told == [("x", SHUTDOWN, "deploy", "me")]


def test_is_quick() -> None:
    """From the request to the news of the end it takes less than 100 ms for most of many operations."""
    with namespace() as here:
        owner, other = FakeProcess(here.backend()), here.backend()
        for number in range(40):
            owner.start(str(number))
        assert owner.backend.count(OperationFilter()) == 40
        times = list[float]()
        for number in range(40):
            start = time.monotonic()
            assert other.cancel(str(number), MANUAL, None, None, 5).state is CancelState.ENDED
            times.append(time.monotonic() - start)
        assert sorted(times)[37] < 0.1


def test_without_waiting() -> None:
    """Without a wait the answer is what is known: that it was asked for, not that anything has ended."""
    with namespace() as here:
        owner, other = FakeProcess(here.backend()), here.backend()
        owner.stubborn = True
        owner.start("x")
        owner.backend.get("x")
        first = other.cancel("x", MANUAL, "first", None, None)
        assert first.state is CancelState.REQUESTED
        assert first.record is not None
        assert first.record.cancel is not None
        assert first.record.cancel.delivered is None
        until(lambda: owner.told)
        until(lambda: (record := other.get("x")) and record.cancel and record.cancel.delivered)
        second = other.cancel("x", MANUAL, "second", None, 0.05)
        assert second.state is CancelState.ALREADY_REQUESTED
        assert second.record is not None
        assert second.record.cancel_message == "first"


def test_unknown_and_ended() -> None:
    """An unknown id is told, and one that has ended comes with how it ended."""
    with namespace() as here:
        owner, other = FakeProcess(here.backend()), here.backend()
        assert other.cancel("x", MANUAL, None, None, 5) == (CancelState.NOT_FOUND, None)
        owner.start("x")
        owner.end("x", RecordStatus.FAILED, error="ValueError: no")
        owner.backend.get("x")
        state, record = other.cancel("x", MANUAL, None, None, 5)
        assert state is CancelState.ENDED
        assert record is not None
        assert (record.status, record.error, record.cancel) == (RecordStatus.FAILED, "ValueError: no", None)


def test_many_at_once() -> None:
    """Of ten requests at once one wins; the operation is told once, and all learn how it ended."""
    with namespace() as here:
        owner, others = FakeProcess(here.backend()), [here.backend() for _ in range(10)]
        owner.start("x")
        owner.backend.get("x")
        results = list[tuple[CancelState, str | None]]()

        def ask(number: int) -> None:
            result = others[number].cancel("x", MANUAL, str(number), None, 5)
            assert result.record is not None
            results.append((result.state, result.record.cancel_message))

        threads = [threading.Thread(target=ask, args=[number]) for number in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(owner.told) == 1
        assert results == [(CancelState.ENDED, owner.told[0][2])] * 10


def test_the_owners_own_request_stands() -> None:
    """Where the operation had been told before by its own process, that reason is the one that everybody reads."""
    with namespace() as here:
        owner, other = FakeProcess(here.backend()), here.backend()
        owner.stubborn = True
        owner.start("x")
        owner.cancel("x", SHUTDOWN, "own", "source")
        owner.backend.get("x")
        state, record = other.cancel("x", MANUAL, "other", None, None)
        assert state is CancelState.ALREADY_REQUESTED
        assert record is not None
        assert record.cancel is not None
        assert record.cancel[:3] == (SHUTDOWN, "own", "source")


def test_heartbeat_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the inbox is not read, each heartbeat brings what is pending, and it is acknowledged."""
    monkeypatch.setattr(Inbox, "start", lambda _self: None)
    monkeypatch.setattr(Inbox, "stop", lambda _self: None)
    with namespace() as here:
        owner, other = FakeProcess(here.backend(lease=1.5)), here.backend()
        for number in range(5):
            owner.start(str(number))
        owner.backend.get("0")
        for number in range(5):
            assert other.cancel(str(number), MANUAL, "m", None, 1.0).state is CancelState.ENDED
        pending = here.key(f"pending:{owner.backend.worker}")
        until(lambda: not shared_server().client().exists(pending))


def test_is_acknowledged() -> None:
    """What has arrived is not sent again with the heartbeats."""
    with namespace() as here:
        owner, other = FakeProcess(here.backend()), here.backend()
        owner.stubborn = True
        owner.start("x")
        owner.backend.get("x")
        other.cancel("x", MANUAL, None, None, None)
        pending = here.key(f"pending:{owner.backend.worker}")
        until(lambda: owner.told)
        until(lambda: not shared_server().client().exists(pending))


def test_times_of_a_request() -> None:
    """The record keeps when a request was made elsewhere, and the statistics how long it took."""
    with namespace() as here:
        owner, other = FakeProcess(here.backend()), here.backend()
        owner.start("x")
        owner.backend.get("x")
        before = time.time()
        record = other.cancel("x", MANUAL, None, None, 5).record
        assert record is not None
        assert record.cancel is not None
        assert record.cancel.requested is not None
        assert record.cancel.delivered is not None
        assert before - 0.01 <= record.cancel.requested <= record.cancel.delivered <= time.time()
        numbers = other.statistics()
        assert numbers["ended_by_reason"] == {"manual": 1}
        assert 0 < numbers["cancel_latency"]["delivery_max"] < 2


def test_a_callback_that_hangs() -> None:
    """An operation whose callbacks hang delays no other one for longer than a heartbeat, and no heartbeat."""
    hanging = threading.Event()
    with namespace() as here:
        owner, other = FakeProcess(here.backend(lease=0.9)), here.backend()
        tell = owner.cancel

        def slow(operation_id: str, reason: CancelationReason, message: str | None, origin: str | None) -> bool:
            if operation_id == "slow":
                assert hanging.wait(10)
            return tell(operation_id, reason, message, origin)

        owner.cancel = slow  # type: ignore[method-assign]
        owner.start("slow")
        owner.start("x")
        owner.backend.get("x")
        worker = owner.backend.worker
        other.cancel("slow", MANUAL, None, None, None)
        try:
            assert other.cancel("x", MANUAL, None, None, 5).state is CancelState.ENDED
            assert owner.backend.worker == worker
        finally:
            hanging.set()


def test_an_operation_that_has_just_ended() -> None:
    """A request that crosses the end of its operation harms nobody, and a later one with the same id runs on."""
    with namespace() as here:
        owner, other = FakeProcess(here.backend()), here.backend()
        owner.start("x")
        owner.backend.get("x")
        del owner.operations["x"]  # it has left, and its end is on the way
        other.cancel("x", MANUAL, None, None, None)
        pending = here.key(f"pending:{owner.backend.worker}")
        until(lambda: not shared_server().client().exists(pending))
        owner.start("x")
        owner.backend.changed("x", EventKind.STARTED)
        owner.backend.get("x")
        assert owner.told == []
