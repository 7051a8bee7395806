"""Making a backend, and what it refuses."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import timedelta
from typing import Any

import pytest

pytest.importorskip("redis", reason="the shared store needs the extra redis, which is not installed")

import redis.asyncio

from hother.cancelable.registry import OperationFilter, RedisBackend

from .fake_process import FakeProcess
from .redis_server import namespace, shared_server, until

pytestmark = pytest.mark.server


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"url": 7}, TypeError, "url must be a string like 'redis://localhost:6379/0', not int"),
        ({"url": b"redis://:s3cret@h"}, TypeError, "url must be a string .*, not bytes"),
        ({"namespace": 7}, TypeError, "namespace must be a string, not 7"),
        ({"namespace": ""}, ValueError, "namespace must be a name without braces and white space, not ''"),
        ({"namespace": "a b"}, ValueError, "namespace must be a name without braces and white space, not 'a b'"),
        ({"namespace": "{a}"}, ValueError, "namespace must be a name without braces and white space, not '{a}'"),
        ({"lease": "15"}, TypeError, "lease must be a number of seconds or a timedelta, not '15'"),
        ({"lease": 0}, ValueError, "lease must be more than zero seconds, not 0"),
        ({"heartbeat": -1}, ValueError, "heartbeat must be more than zero seconds, not -1"),
        ({"heartbeat": 8}, ValueError, "heartbeat must be at most half of the lease of 15 s, not 8"),
        ({"metadata_keys": "job"}, TypeError, r"metadata_keys must be several keys, like \['job'\], not one string"),
        ({"metadata_keys": [7]}, TypeError, "metadata_keys must be strings, not 7"),
        ({"metadata_keys": 7}, TypeError, "metadata_keys must be several keys, not 7"),
        ({"metadata_keys": None}, TypeError, "metadata_keys must be several keys, not None"),
        ({"lease": float("nan")}, ValueError, "lease must be "),
        ({"lease": float("inf")}, ValueError, "lease must be "),
        ({"history_limit": 0}, ValueError, "history_limit must be 1 at least, not 0"),
        ({"history_limit": 1.5}, TypeError, "history_limit must be a whole number, not 1.5"),
        ({"history_limit": True}, TypeError, "history_limit must be a whole number, not True"),
        ({"client": "redis"}, TypeError, "client must be a redis.Redis, the blocking client, not str"),
        ({"client": redis.asyncio.Redis()}, TypeError, "client must be a redis.Redis, the blocking client, not Redis"),
    ],
)
def test_bad_input(options: dict[str, Any], error: type[Exception], text: str) -> None:
    """Bad input is refused at once, by an error that names the argument and the value."""
    with pytest.raises(error, match=text):
        RedisBackend(**options)


def test_nothing_happens_at_first() -> None:
    """Making a backend connects to nothing and starts no thread."""
    before = threading.active_count()
    backend = RedisBackend("redis://127.0.0.1:1/0", lease=timedelta(seconds=9))
    assert threading.active_count() == before
    assert backend.health() == {
        "available": False,
        "queue": 0,
        "heartbeat_age": None,
        "error": None,
        "errors": 0,
        "dropped": 0,
    }
    assert backend.worker.count(":") == 2
    backend.close()


def test_serves_one_registry() -> None:
    """A backend serves one registry: a second one is refused."""
    with namespace() as here:
        backend = here.backend()
        FakeProcess(backend)
        with pytest.raises(RuntimeError, match="serves a registry already; make a backend for each"):
            FakeProcess(backend)


def test_limits_of_pages() -> None:
    """A page of nothing is refused."""
    with namespace() as here, pytest.raises(ValueError, match="limit must be 1 or more, not 0"):
        here.backend().page(OperationFilter(), 0, None)


def test_health() -> None:
    """Health tells that the store is there, and how long ago it has heard of this process."""
    with namespace() as here:
        one = FakeProcess(here.backend())
        one.backend.get("x")
        health = one.backend.health()
        assert (health["available"], health["error"], health["queue"]) == (True, None, 0)
        assert 0 <= health["heartbeat_age"] < 10


def test_threads_end() -> None:
    """After closing no thread of the backend is left."""
    with namespace() as here:
        one = FakeProcess(here.backend())
        one.backend.get("x")
        until(lambda: len(threads_of_ours()) >= 2)
        mine = threads_of_ours()
        one.backend.close()
        for each in mine:
            each.join(5)
        assert not any(each.is_alive() for each in mine)


def threads_of_ours() -> list[threading.Thread]:
    """Return the threads of backends."""
    return [each for each in threading.enumerate() if each.name.startswith("cancelable-registry")]


def test_metadata_stays_here() -> None:
    """Metadata outside the allow-list appears in no value on the server, whatever happens to the operation."""
    with namespace() as here:
        one = FakeProcess(here.backend(metadata_keys=["job"]))
        one.start("x", metadata={"job": "visible", "card": "4111-1111", "job2": "4222-2222"})
        one.report("x", "half")
        one.backend.get("x")
        one.end("x")
        one.start("y", metadata={"card": "4333-3333"})
        one.backend.get("y")
        values = "".join(map(_everything, shared_server().client().keys(here.key("*").replace("{", "\\{"))))
        assert "visible" in values
        assert not any(secret in values for secret in ("4111", "4222", "4333", "card"))


def _everything(key: str) -> str:
    client = shared_server().client()
    read = {
        "hash": client.hgetall,
        "set": client.smembers,
        "zset": lambda name: client.zrange(name, 0, -1),
        "stream": client.xrange,
        "string": client.get,
    }
    return f"{key} {read[client.type(key)](key)}"


def test_namespaces() -> None:
    """Namespaces on one server know nothing of each other."""
    with namespace() as here, namespace() as there:
        one, other = FakeProcess(here.backend()), FakeProcess(there.backend())
        one.start("x")
        one.backend.get("x")
        assert other.backend.get("x") is None
        assert len(other.backend.workers()) == 1
        assert other.backend.count(OperationFilter()) == 0


def test_without_redis() -> None:
    """The package works without redis; asking for the backend then says what to install."""
    program = """
import sys
sys.modules["redis"] = None
import hother.cancelable.registry as registry
try:
    registry.RedisBackend
except ImportError as error:
    print(error)
try:
    registry.Misspelt
except AttributeError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        'RedisBackend needs the package redis; install it: pip install "hother-cancelable-registry[redis]"',
        "module 'hother.cancelable.registry' has no attribute 'Misspelt'",
    ]


def test_is_loaded_late() -> None:
    """Importing the package does not import redis."""
    program = "import sys, hother.cancelable.registry; print('redis' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
