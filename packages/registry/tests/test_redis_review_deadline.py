"""Redis is slow or silent: how long an answer takes, also where many ask, and what is left of who waits no more."""

from __future__ import annotations

import threading
import time
from typing import Any

import anyio
import anyio.to_thread
import pytest

pytest.importorskip("redis", reason="the shared store needs the extra redis, which is not installed")

from hother.cancelable import CancelationReason
from hother.cancelable.registry import BackendUnavailable, OperationRegistry, RedisBackend
from hother.cancelable.registry.redis.waiting import wait_for_end

from .fake_process import FakeProcess
from .redis_server import namespace, redis_server, until
from .tcp_proxy import Proxy

pytestmark = pytest.mark.server

MANUAL = CancelationReason.MANUAL
TWO_SECONDS = 2.5
"""What is promised, and something for a machine that is busy."""


class SlowProxy(Proxy):
    """Takes a second for each reply."""

    def _pump(self, source: Any, sink: Any) -> None:
        class Slow:
            shutdown, close = sink.shutdown, sink.close

            def sendall(self, data: bytes) -> None:
                time.sleep(0.5)
                sink.sendall(data)

        super()._pump(source, Slow())  # type: ignore[arg-type]


async def slowest_of_sixty(registry: OperationRegistry) -> float:
    """Return how long the slowest of many requests takes that are all told that the store cannot be reached."""
    times: list[float] = []

    async def cancel(number: int) -> None:
        start = time.monotonic()
        with pytest.raises(BackendUnavailable):
            await registry.cancel(f"remote-{number}")
        times.append(time.monotonic() - start)

    async with anyio.create_task_group() as group:
        for number in range(60):
            group.start_soon(cancel, number)
    return max(times)


def test_many_at_once() -> None:
    """Sixty requests at once all learn within two seconds that the server is silent, whether that is known or not."""
    with redis_server() as server, namespace(server) as here:
        registry = OperationRegistry(here.backend())
        backend: Any = registry.engine.backend
        until(lambda: backend.health()["available"])
        server.freeze()
        try:
            assert anyio.run(slowest_of_sixty, registry) < TWO_SECONDS
            until(lambda: backend.health()["error"])
            assert anyio.run(slowest_of_sixty, registry) < TWO_SECONDS
        finally:
            server.thaw()


def test_one_finds_out() -> None:
    """While the server is silent one question waits for it, and the others are answered without that."""
    with redis_server() as server, namespace(server) as here:
        one = FakeProcess(here.backend())
        until(lambda: one.backend.health()["available"])
        server.freeze()
        try:
            until(lambda: one.backend.health()["error"])
            times: list[float] = []
            threads = [threading.Thread(target=_time, args=(one.backend, times)) for _ in range(5)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert sum(each < 0.5 for each in times) == 4
        finally:
            server.thaw()
        until(lambda: one.backend.health()["available"])
        assert one.backend.get("x") is None


def _time(backend: RedisBackend, times: list[float]) -> None:
    start = time.monotonic()
    with pytest.raises(BackendUnavailable):
        backend.cancel("x", MANUAL, None, None, None)
    times.append(time.monotonic() - start)


def test_slow_replies() -> None:
    """Where each reply is slow, all of them together take two seconds at most."""
    with redis_server() as server:
        slow = SlowProxy(server.port)
        backend = RedisBackend(f"redis://127.0.0.1:{slow.port}/1")
        start = time.monotonic()
        with pytest.raises(BackendUnavailable, match=r"no answer in time|Timeout"):
            backend.cancel("x", MANUAL, None, None, None)
        assert time.monotonic() - start < TWO_SECONDS
        backend.close()
        slow.close()


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_waits_that_were_given_up(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wait that is given up frees its thread soon, so that the program may end."""
    begun, ended = threading.Event(), threading.Event()

    def watched(*args: Any) -> Any:
        begun.set()
        try:
            return wait_for_end(*args)
        finally:
            ended.set()

    async def give_up(registry: OperationRegistry) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: registry.cancel("far", wait=60))
            await anyio.to_thread.run_sync(begun.wait)
            group.cancel_scope.cancel()

    monkeypatch.setattr("hother.cancelable.registry.redis.backend.wait_for_end", watched)
    with namespace() as here:
        other = FakeProcess(here.backend())
        other.stubborn = True
        other.start("far")
        assert other.backend.get("far") is not None
        anyio.run(give_up, OperationRegistry(here.backend()), backend=loop)
        assert ended.wait(5)
