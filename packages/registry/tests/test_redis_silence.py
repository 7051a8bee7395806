"""Redis does not answer: connections stay open, and nothing comes back for a while."""

from __future__ import annotations

import time

import pytest

pytest.importorskip("redis", reason="the shared store needs the extra redis, which is not installed")

from hother.cancelable import CancelationReason
from hother.cancelable.registry import (
    BackendUnavailable,
    CancelState,
    OperationFilter,
    RecordStatus,
    RedisBackend,
)
from hother.cancelable.registry.redis.notes import ENDED_LIMIT

from .fake_process import FakeProcess
from .redis_server import Namespace, namespace, redis_server, until
from .tcp_proxy import proxy

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


def test_frozen_server() -> None:
    """A server that accepts connections and answers nothing is unavailable within two seconds, too."""
    with redis_server() as server, namespace(server) as here:
        one, asking = FakeProcess(here.backend(lease=LEASE)), here.backend()
        one.start("x")
        assert one.backend.get("x") == asking.get("x") is not None
        server.freeze()
        try:
            assert unavailable_within(asking) < 2
            assert unavailable_within(here.backend()) < 2
            assert unavailable_within(one.backend) < 2
            until(lambda: is_away(one.backend))
        finally:
            server.thaw()
        until(lambda: not is_away(one.backend))
        assert asking.cancel("x", MANUAL, None, None, 5).state is CancelState.ENDED


def test_while_one_waits() -> None:
    """One who waits for the end of an operation, or for events, learns soon that the server has gone."""
    with redis_server() as server, namespace(server) as here:
        one = FakeProcess(here.backend(lease=60))
        one.stubborn = True
        one.start("x")
        one.backend.get("x")
        position = one.backend.position()
        one.cancel = lambda *_: server.freeze() or False  # type: ignore[method-assign, func-returns-value]
        try:
            assert unavailable_within(here.backend()) < 2.5  # the first part of it was before the server froze
            start = time.monotonic()
            with pytest.raises(BackendUnavailable):
                one.backend.events(position, 10)
            assert time.monotonic() - start < 2
        finally:
            server.thaw()


def test_ends_that_were_too_many() -> None:
    """An operation whose end could not be kept does not seem to run for ever."""
    with redis_server() as server, namespace(server) as here, proxy(server.port) as wire:
        one = FakeProcess(Namespace(wire.url).backend(namespace=here.name, lease=60, heartbeat=0.3))
        one.start("x")
        one.backend.get("x")
        wire.drops = True
        until(lambda: is_away(one.backend))
        one.end("x")
        for number in range(ENDED_LIMIT):
            one.start(str(number))
            one.end(str(number))
        wire.drops = False
        other = here.backend()
        until(lambda: not is_away(one.backend), within=20)
        until(lambda: (record := other.get("x")) and record.status is RecordStatus.LOST, within=20)
        one.backend.close()


def test_network_that_drops_everything() -> None:
    """A process cut off for two leases is lost to the others and works on; a request made meanwhile arrives after."""
    with redis_server() as server, namespace(server) as here, proxy(server.port) as wire:
        there = Namespace(wire.url)
        cut_off, other = FakeProcess(there.backend(namespace=here.name, lease=LEASE)), here.backend(lease=LEASE)
        FakeProcess(other)
        cut_off.start("x")
        cut_off.backend.get("x")
        wire.drops = True
        start = time.monotonic()
        until(lambda: (record := other.get("x")) and record.status is RecordStatus.LOST)
        cut_off.report("x", "still here")
        assert other.cancel("x", CancelationReason.SHUTDOWN, "meanwhile", None, None).state is CancelState.REQUESTED
        until(lambda: time.monotonic() - start > 2 * LEASE)
        assert cut_off.told == []
        wire.drops = False
        assert until(lambda: cut_off.told) < 1
        assert cut_off.told == [("x", CancelationReason.SHUTDOWN, "meanwhile", None)]
        until(lambda: (record := other.get("x")) and record.status is RecordStatus.CANCELLED)
        there.close()
