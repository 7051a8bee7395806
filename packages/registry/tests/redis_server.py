"""A real redis-server for tests, on a free port and without persistence."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import pytest
import redis

from hother.cancelable.registry import RedisBackend


class Server:
    """A redis-server that can be stopped, frozen, and started again on the same port."""

    def __init__(self, *options: str) -> None:
        if shutil.which("redis-server") is None:
            missing = "redis-server is not in PATH (Debian: apt-get install redis-server)"
            if os.environ.get("CI"):
                pytest.fail(missing)
            pytest.skip(missing)
        self._options = options
        self._folder = tempfile.mkdtemp(prefix="redis-")
        self._process: subprocess.Popen[bytes] | None = None
        self.port: int = _free_port()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, empty, and wait until it answers."""
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", self._folder, *self._options]
        self._process = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
        until(self._accepts)

    def stop(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Stop it in its tracks: its port still accepts connections, and nothing answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def client(self) -> Any:
        """Return a client, to look at what is stored."""
        return redis.Redis(port=self.port, decode_responses=True)

    def remove(self) -> None:
        """Stop it, and leave nothing behind."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _accepts(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True


@contextmanager
def redis_server(*options: str) -> Generator[Server]:
    """Run a server for one test."""
    server = Server(*options)
    server.start()
    try:
        yield server
    finally:
        server.remove()


@functools.cache
def shared_server() -> Server:
    """Return a server that many tests use, each in a namespace of its own."""
    server = Server()
    server.start()
    atexit.register(server.remove)
    return server


class Namespace:
    """A namespace of one test, and the backends in it."""

    def __init__(self, url: str) -> None:
        self.url: str = url
        self.name: str = uuid.uuid4().hex
        self._made: list[RedisBackend] = []

    def backend(self, **options: Any) -> RedisBackend:
        """Return a backend, closed after the test."""
        settings: dict[str, Any] = {"namespace": self.name, "lease": 6.0, **options}
        backend = RedisBackend(self.url, **settings)
        self._made.append(backend)
        return backend

    def key(self, name: str) -> str:
        """Return what a key is called on the server."""
        return f"canc:{{{self.name}}}:{name}"

    def close(self) -> None:
        """Close the backends."""
        for backend in self._made:
            backend.close()


@contextmanager
def namespace(server: Server | None = None) -> Generator[Namespace]:
    """Give a test a namespace, on the shared server or on one of its own."""
    made = Namespace((server or shared_server()).url)
    try:
        yield made
    finally:
        made.close()


def until(condition: Callable[[], object], within: float = 20) -> float:
    """Look at the world outside until something is so; return how long it took."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < within, "it has not happened in time"
        time.sleep(0.005)
    return time.monotonic() - start


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
