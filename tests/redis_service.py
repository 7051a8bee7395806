"""A real redis-server for the tests of what crosses packages."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest


class RedisServer:
    """A redis-server on a free port, which starts empty each time. Its log of writes stays as long as it exists."""

    def __init__(self, folder: Path) -> None:
        self.folder: Path = folder
        self.port: int = free_port()
        self.url: str = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None
        self._starts = 0

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._starts += 1
        own = self.folder / str(self._starts)
        own.mkdir()
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes"]
        command = ["redis-server", *options, "--dir", str(own)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        until(self._accepts)

    def stop(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _accepts(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True


@contextmanager
def redis_service() -> Generator[RedisServer]:
    """Run a server; where there is none to run, the test is skipped, or fails under CI."""
    if shutil.which("redis-server") is None:
        missing = "redis-server is not in PATH (Debian: apt-get install redis-server)"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    with tempfile.TemporaryDirectory(prefix="redis-", ignore_cleanup_errors=True) as folder:
        server = RedisServer(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()


def until(condition: Callable[[], object], within: float = 10) -> float:
    """Look at the world outside until something is so; return how long it took."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < within, "it has not happened in time"
        time.sleep(0.01)
    return time.monotonic() - start


def free_port() -> int:
    """Return a port that nobody uses."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
