"""What must not keep a process from writing: records that cannot be written, outages, and its own end."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

import pytest

pytest.importorskip("redis", reason="the shared store needs the extra redis, which is not installed")

import redis
from redis.exceptions import BusyLoadingError, NoPermissionError

from hother.cancelable import CancelationReason
from hother.cancelable.registry import CancelState, OperationFilter, RecordStatus
from hother.cancelable.registry.redis import service
from hother.cancelable.registry.redis.address import pool_of
from hother.cancelable.registry.redis.link import Link, Refused

from .fake_process import FakeProcess
from .redis_server import namespace, redis_server, shared_server, until

pytestmark = pytest.mark.server

ALL = OperationFilter()


class Unprintable:
    """Has no text."""

    def __str__(self) -> str:
        raise ValueError("no text")


def test_names_that_are_no_text() -> None:
    """A name or message that is no text is written as text, and keeps nothing else from being written."""
    with namespace() as here:
        one, other = FakeProcess(here.backend()), here.backend()
        one.start("number", name=5)
        one.start("fine")
        one.report("fine", 7)  # type: ignore[arg-type]
        assert {each.name for each in one.backend.page(ALL, 9, None).records} == {"5", "fine"}
        one.end("number", RecordStatus.FAILED, error=TypeError("odd"))
        one.backend.count(ALL)
        assert (record := other.get("number")) is not None
        assert (record.name, record.error) == ("5", "odd")
        assert one.backend.health()["error"] is None


def test_records_that_cannot_be_printed(caplog: pytest.LogCaptureFixture) -> None:
    """An operation with something that cannot be printed is left out, with one warning; the others are written."""
    with namespace() as here:
        one = FakeProcess(here.backend())
        one.start("bad", name=Unprintable())
        one.start("fine")
        assert [each.id for each in one.backend.page(ALL, 9, None).records] == ["fine"]
        one.end("bad")
        one.end("fine")
        assert [each.id for each in one.backend.history(ALL, 9, None)] == ["fine"]
    assert caplog.messages == ["the operation 'bad' is not listed: it cannot be written as text: ValueError"]


def test_keys_of_somebody_else(caplog: pytest.LogCaptureFixture) -> None:
    """Where the server refuses to write one operation, it alone is left out, with one warning, and heartbeats go on."""
    with namespace() as here:
        one, other = FakeProcess(here.backend(lease=0.6)), here.backend()
        shared_server().client().set(here.key("op:bad"), "a string")
        for name in ("first", "bad", "last"):
            one.start(name)
        one.backend.count(ALL)
        assert {each.id for each in other.page(ALL, 9, None).records} == {"first", "last"}
        for name in ("last", "bad", "first"):
            one.end(name)
        one.backend.count(ALL)
        assert {each.id for each in other.history(ALL, 9, None)} == {"first", "last"}
        worker = one.backend.worker
        shared_server().client().delete(here.key("worker:" + worker))
        until(lambda: shared_server().client().hget(here.key("worker:" + worker), "beat"))
        assert one.backend.worker == worker
    (message,) = caplog.messages
    assert message.startswith("the operation 'bad' is not listed: ")
    assert "WRONGTYPE" in message


@pytest.mark.parametrize(
    ("error", "is_refused"),
    [
        (redis.ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"), True),
        (redis.DataError("Invalid input of type: 'object'"), True),
        (redis.ResponseError("Error running script: @user_script: 10: -OOM command not allowed"), False),
        (redis.ResponseError("MISCONF Redis is configured to save RDB snapshots"), False),
        (redis.ReadOnlyError("You can't write against a read only replica."), False),
        (NoPermissionError("this user has no permissions"), False),
        (BusyLoadingError("Redis is loading the dataset in memory"), False),
        (redis.ConnectionError("Connection refused"), False),
    ],
)
def test_what_counts_as_refused(monkeypatch: pytest.MonkeyPatch, error: Exception, is_refused: bool) -> None:
    """Only errors that are about one command let operations be left out: a full or read-only server is just away."""

    def answer(_client: object, *_command: object) -> Any:
        raise error

    monkeypatch.setattr(redis.Redis, "execute_command", answer)
    with pytest.raises(ConnectionError) as caught:
        Link(pool_of("redis://h"), "p").members("x")
    assert isinstance(caught.value, Refused) == is_refused


def test_soon_after_an_outage() -> None:
    """What is noted after the server is back is written at once, however much was noted meanwhile."""
    with redis_server() as server, namespace(server) as here:
        one, other = FakeProcess(here.backend(lease=60)), here.backend()
        one.start("before")
        one.backend.count(ALL)
        server.stop()
        one.start("meanwhile")
        until(lambda: one.backend.health()["error"])
        one.end("meanwhile")
        server.start()
        until(lambda: one.backend.health()["available"] and not one.backend.health()["queue"])
        one.start("after")
        assert until(lambda: other.get("after")) < 5


def test_closed_right_after_an_outage(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A process that is closed while it waits before its next attempt writes its ends, if the server is back."""
    monkeypatch.setattr(service, "_FIRST_PAUSE", 1_000.0)
    with redis_server() as server, namespace(server) as here:
        one, other = FakeProcess(here.backend(lease=3_000)), here.backend()
        for name in ("x", "y"):
            one.start(name)
        one.backend.count(ALL)
        one.backend._service._longest_pause = 1_000.0  # type: ignore[union-attr]
        server.stop()
        one.end("x")
        until(lambda: one.backend.health()["error"])
        server.start()
        one.backend.close()
        assert (record := other.get("x")) is not None
        assert record.status is RecordStatus.COMPLETED
        assert (record := other.get("y")) is not None
        assert record.status is RecordStatus.LOST
        assert other.workers() == []
    assert [each.levelno for each in caplog.records if each.levelno >= logging.WARNING] == [logging.WARNING]


def test_closed_during_an_outage() -> None:
    """Closing while connections are refused takes no time."""
    with redis_server() as server, namespace(server) as here:
        one = FakeProcess(here.backend())
        one.start("x")
        one.backend.count(ALL)
        server.stop()
        one.end("x")
        until(lambda: one.backend.health()["error"])
        start = time.monotonic()
        one.backend.close()
        assert time.monotonic() - start < 1


def test_waiting_for_one_whose_process_has_left() -> None:
    """One who waits for an end learns at once that the operation is lost with a process that will not be back."""
    with namespace() as here:
        one, other = FakeProcess(here.backend(lease=60)), here.backend()
        one.stubborn = True
        one.start("x")
        one.backend.count(ALL)

        def leave() -> None:
            until(lambda: one.told)
            one.backend.close()

        start, leaving = time.monotonic(), threading.Thread(target=leave)
        leaving.start()
        results = [other.cancel("x", CancelationReason.MANUAL, None, None, 12) for _ in range(2)]
        assert time.monotonic() - start < 10
        leaving.join()
        assert [state for state, _ in results] == [CancelState.REQUESTED, CancelState.ALREADY_REQUESTED]
        assert [record and record.status for _, record in results] == [RecordStatus.LOST] * 2
