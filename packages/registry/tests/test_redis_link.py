"""The connection to Redis: what is refused, and what is never told."""

from __future__ import annotations

import logging
import shutil
import ssl
import subprocess
import traceback
from functools import partial
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("redis", reason="the shared store needs the extra redis, which is not installed")

import redis
from redis.sentinel import Sentinel

from hother.cancelable.registry import BackendUnavailable, OperationFilter, RedisBackend
from hother.cancelable.registry.redis.address import pool_of
from hother.cancelable.registry.redis.link import Link

from .fake_process import FakeProcess
from .redis_server import namespace, redis_server, until

pytestmark = pytest.mark.server

ALL = OperationFilter()


@pytest.mark.parametrize("url", ["", "localhost", "http://user:s3cret@host/", "redis://user:s3/cret@host:1/"])
def test_urls_that_are_none(url: str) -> None:
    """An address that cannot be read is refused at once, without showing it or its password."""
    with pytest.raises(ValueError, match="url must be like 'redis://localhost:6379/0'") as caught:
        RedisBackend(url)
    assert "s3" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://user:s3cret@cache:7000/3", "cache:7000/3"),
        ("rediss://:s3cret@cache", "cache:6379/0"),
        ("unix://user:s3cret@/run/redis.sock?db=1", "/run/redis.sock"),
        ("redis://cache?password=s3cret&socket_timeout=60", "cache:6379/0"),
    ],
)
def test_repr_tells_no_credentials(url: str, address: str) -> None:
    """A backend shows its address and namespace, and no user or password."""
    assert repr(RedisBackend(url, namespace="shop")) == f"<RedisBackend {address} namespace='shop'>"
    assert repr(Link(pool_of(url), "p")) == f"<Link {address}>"


def test_passwords(caplog: pytest.LogCaptureFixture) -> None:
    """A password lets one in; a wrong one, or none, is an error that does not show it, nor do the logs."""
    caplog.set_level(logging.DEBUG)
    with redis_server("--requirepass", "s3cret") as server, namespace(server) as here:
        here.url = server.url.replace("//", "//:s3cret@")
        one = FakeProcess(here.backend())
        one.start("x")
        assert one.backend.get("x") is not None
        for wrong in ("//:s3crets@", "//default:s3cret5@", "//"):
            backend = RedisBackend(server.url.replace("//", wrong))
            with pytest.raises(
                BackendUnavailable, match=f"cannot use the Redis at 127.0.0.1:{server.port}/0"
            ) as caught:
                backend.count(ALL)
            assert "s3cret" not in "".join(traceback.format_exception(caught.value))
            process = FakeProcess(backend)
            until(partial(_has_error, process.backend))
            assert "s3cret" not in str(backend.health())
            backend.close()
    assert "s3cret" not in caplog.text


def test_errors_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the client's own error holds the password, it is not shown."""

    def answer(_client: object, *_command: object) -> object:
        raise redis.ConnectionError("no way in with s3cret")

    monkeypatch.setattr(redis.Redis, "execute_command", answer)
    with pytest.raises(BackendUnavailable, match=r"ConnectionError: no way in with \*\*\*") as caught:
        RedisBackend("redis://:s3cret@cache").count(ALL)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__suppress_context__


def _has_error(backend: RedisBackend) -> bool:
    return backend.health()["error"] is not None


def test_nobody_there() -> None:
    """Where nothing listens, every question is answered with an error at once."""
    backend = RedisBackend("redis://:s3cret@127.0.0.1:1/0")
    questions: list[Any] = [
        lambda: backend.page(ALL, 10, None),
        lambda: backend.count(ALL),
        lambda: backend.get("x"),
        lambda: backend.history(ALL, 10, None),
        backend.workers,
        backend.statistics,
        backend.position,
        lambda: backend.events("0-0", 5),
    ]
    for question in questions:
        with pytest.raises(BackendUnavailable, match=r"at 127\.0\.0\.1:1/0: ConnectionError") as caught:
            question()
        assert caught.value.__suppress_context__
        assert "s3cret" not in str(caught.value)


def test_required() -> None:
    """With `required` the registry does not start without its server; the error says why."""
    backend = RedisBackend("redis://127.0.0.1:1/0", required=True)
    with pytest.raises(BackendUnavailable, match=r"cannot use the Redis at 127\.0\.0\.1:1/0"):
        FakeProcess(backend)
    assert backend.health()["available"] is False


@pytest.mark.parametrize(
    ("reply", "version"),
    [
        ([b"server", b"redis", b"version", b"6.0.16", b"proto", 2], r"version 6\.0\.16"),
        (redis.ResponseError("unknown command `HELLO`, with args beginning with: "), "version before 6"),
    ],
)
def test_servers_that_are_too_old(reply: object, version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server before 6.2 is refused, with its version and what is needed."""

    def answer(_client: object, *_command: object) -> object:
        if isinstance(reply, Exception):
            raise reply
        return reply

    monkeypatch.setattr(redis.Redis, "execute_command", answer)
    backend = RedisBackend("redis://cache")
    with pytest.raises(BackendUnavailable, match=rf"at cache:6379/0 is too old for the registry \({version}\).*6\.2"):
        backend.count(ALL)


def test_clients_of_ones_own() -> None:
    """A client of the user's own gives address and login, whatever else it is set up to do, and is left alone."""
    with redis_server("--requirepass", "s3cret") as server, namespace(server) as here:
        settings: dict[str, Any] = {"port": server.port, "password": "s3cret"}
        make_pool: Any = redis.BlockingConnectionPool
        clients = [
            redis.Redis(**settings),
            redis.Redis(**settings, protocol=3),
            redis.Redis(**settings, decode_responses=True, encoding="latin-1", socket_timeout=60),
            redis.Redis(connection_pool=make_pool(max_connections=1, **settings)),
        ]
        for number, client in enumerate(clients):
            one = FakeProcess(here.backend(client=client))
            one.start(f"é\udc80 {number}", name="日本")
            record = one.backend.get(f"é\udc80 {number}")
            assert record is not None
            assert record.name == "日本"
            one.backend.close()
            assert client.ping()
            client.close()


def test_sentinels(tmp_path: Path) -> None:
    """A client that asks sentinels for the address of the server may be used, too."""
    with redis_server() as server:
        config = tmp_path / "sentinel.conf"
        config.write_text(f"sentinel monitor main 127.0.0.1 {server.port} 1\n")
        with redis_server() as unused:
            port = unused.port
        command = ["redis-server", str(config), "--sentinel", "--port", str(port), "--dir", str(tmp_path)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            make_sentinel: Any = Sentinel
            sentinel = make_sentinel([("127.0.0.1", port)], socket_timeout=1)
            until(lambda: _knows(sentinel))
            backend = RedisBackend(client=sentinel.master_for("main"))
            assert repr(backend) == "<RedisBackend the sentinels' 'main' namespace='default'>"
            assert backend.count(ALL) == 0
            backend.close()
        finally:
            process.kill()
            process.wait()


def _knows(sentinel: Any) -> bool:
    try:
        return bool(sentinel.discover_master("main"))
    except redis.ConnectionError:
        return False


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not in PATH to make a certificate")
def test_tls(tmp_path: Path) -> None:
    """TLS works, and a certificate that nobody knows is refused."""
    certificate, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    request += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate]
    subprocess.run(request, check=True, capture_output=True)
    with redis_server() as unused:
        port = unused.port
    options = ["--tls-port", str(port), "--tls-cert-file", certificate, "--tls-key-file", key]
    with redis_server(*options, "--tls-ca-cert-file", certificate, "--tls-auth-clients", "no"):
        url = f"rediss://127.0.0.1:{port}/0"
        one = FakeProcess(RedisBackend(f"{url}?ssl_ca_certs={certificate}"))
        one.start("x")
        assert one.backend.get("x") is not None
        one.backend.close()
        with pytest.raises(BackendUnavailable, match="certificate verify failed"):
            RedisBackend(url).count(ALL)
        own = redis.Redis(port=port, ssl=True, ssl_ca_certs=certificate, ssl_min_version=ssl.TLSVersion.TLSv1_2)
        assert RedisBackend(client=own).count(ALL) == 0
        own.close()
