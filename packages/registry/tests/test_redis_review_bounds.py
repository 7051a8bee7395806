"""What is bounded: notes of what is followed no more, and how long a fork waits."""

from __future__ import annotations

import threading
import time

import pytest

pytest.importorskip("redis", reason="the shared store needs the extra redis, which is not installed")

from hother.cancelable import Cancelable
from hother.cancelable.registry import OperationFilter, OperationRegistry, ThreadSafeRegistry
from hother.cancelable.registry.redis import notes
from hother.cancelable.registry.redis.notes import FORGOTTEN_LIMIT, Notes

from .fake_process import FakeProcess
from .redis_server import namespace, redis_server, until

pytestmark = pytest.mark.server


def test_notes_of_what_is_followed_no_more() -> None:
    """What is followed no more leaves one id, and only so many of these; that there were more is told once."""
    noted = Notes()
    for number in range(FORGOTTEN_LIMIT + 1):
        noted.changed(str(number))
        noted.progressed(str(number))
        noted.forgotten(str(number))
    assert len(noted) == FORGOTTEN_LIMIT
    assert noted.take_forgotten() == [str(number) for number in range(1, FORGOTTEN_LIMIT + 1)]
    assert (len(noted), noted.take_loss(), noted.take_loss()) == (0, True, False)


def test_unregistering_while_the_store_is_away() -> None:
    """Operations that are registered and unregistered during an outage do not pile up."""
    with redis_server() as server, namespace(server) as here:
        backend = here.backend()
        registry = ThreadSafeRegistry(OperationRegistry(backend))
        until(lambda: backend.health()["available"])
        server.stop()
        until(lambda: not backend.health()["available"])
        for _ in range(2 * FORGOTTEN_LIMIT):
            operation = Cancelable()
            registry.register(operation)
            registry.unregister(operation.operation_id)
        assert backend.health()["queue"] <= FORGOTTEN_LIMIT


def test_unregistering() -> None:
    """An operation that is unregistered is soon unknown to the others, and listed again if it is registered again."""
    with namespace() as here:
        registry, other = ThreadSafeRegistry(OperationRegistry(here.backend(lease=1.5))), here.backend()
        operation = Cancelable(operation_id="x")
        registry.register(operation)
        assert registry.count() == 1
        registry.unregister("x")
        until(lambda: other.get("x") is None)
        registry.register(operation)
        assert registry.count() == 1


def test_unregistering_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where more are unregistered at once than can be noted, none of them stays listed."""
    monkeypatch.setattr(notes, "FORGOTTEN_LIMIT", 2)
    with redis_server() as server, namespace(server) as here:
        registry = ThreadSafeRegistry(OperationRegistry(here.backend()))
        for name in "abcde":
            registry.register(Cancelable(operation_id=name))
        assert registry.count() == 5
        server.freeze()
        for name in "abcde":
            registry.unregister(name)
        server.thaw()
        until(lambda: here.backend().count(OperationFilter()) == 0)


def test_forking_while_the_store_hangs() -> None:
    """A fork does not wait for a thread that waits for a server."""
    with namespace() as here:
        one = FakeProcess(here.backend())
        service = one.backend._service
        assert service is not None
        held, done = threading.Event(), threading.Event()

        def hang() -> None:
            with service._working:
                held.set()
                done.wait(10)

        thread = threading.Thread(target=hang)
        thread.start()
        held.wait()
        start = time.monotonic()
        one.backend.before_fork()
        took = time.monotonic() - start
        one.backend.after_fork_in_parent()
        done.set()
        thread.join()
        assert took < 1
