"""What is refused when a registry starts: addresses that may give a password away, and servers that are no use."""

from __future__ import annotations

import traceback

import pytest

pytest.importorskip("redis", reason="the shared store needs the extra redis, which is not installed")

from hother.cancelable.registry import BackendUnavailable, RedisBackend

from .fake_process import FakeProcess
from .redis_server import namespace, redis_server

pytestmark = pytest.mark.server


@pytest.mark.parametrize(
    "url",
    [
        "redis://:123/s3cret@cache.example:6379/0",
        "redis://user:12#s3cret@cache:6379/0",
        "redis://:12?s3cret@cache:6379/0",
        "rediss://cache/s3cret",
        "redis://cache/0#s3cret",
        "unix://user:12/s3cret@/run/redis.sock",
        "unix://user:12#s3cret@/run/redis.sock",
    ],
)
def test_passwords_that_are_not_encoded(url: str) -> None:
    """An address is refused where a part of the password would count as host or path; the error tells nothing of it."""
    with pytest.raises(ValueError, match=r"percent-encode special characters of a password") as caught:
        RedisBackend(url)
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://:p%40ss%2Fw%23rd@cache:7000/3", "cache:7000/3"),
        ("redis://:p@ss@cache/", "cache:6379/0"),
        ("unix:///run/redis@main.sock", "/run/redis@main.sock"),
        ("unix://:p%40@/run/redis.sock?db=1", "/run/redis.sock"),
    ],
)
def test_addresses_that_are_clear(url: str, address: str) -> None:
    """Encoded passwords, and what can be read in one way only, are taken."""
    assert repr(RedisBackend(url)) == f"<RedisBackend {address} namespace='default'>"


def test_required_on_a_replica() -> None:
    """With `required` a replica that cannot be written is refused at once; without it the registry starts."""
    with redis_server("--replicaof", "127.0.0.1", "1") as replica, namespace(replica) as here:
        with pytest.raises(BackendUnavailable, match="read only replica"):
            FakeProcess(here.backend(required=True))
        FakeProcess(here.backend())


def test_required_without_permission() -> None:
    """With `required` a user who may not run scripts is refused at once."""
    with redis_server() as server:
        server.client().execute_command("ACL", "SETUSER", "app", "on", ">pw", "~*", "+@read", "+@connection")
        backend = RedisBackend(f"redis://app:pw@127.0.0.1:{server.port}/0", required=True)
        with pytest.raises(BackendUnavailable, match="evalsha"):
            FakeProcess(backend)


def test_required_leaves_nothing() -> None:
    """What `required` writes to try the server is removed again."""
    with redis_server() as server, namespace(server) as here:
        one = FakeProcess(here.backend(required=True))
        one.start("x")
        assert one.backend.get("x") is not None
        assert not server.client().exists(here.key("probe"))
