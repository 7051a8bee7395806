"""`uvicorn --workers 4` with a shared registry, and a connection to each of the workers."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from .redis_service import RedisServer, free_port, until

COUNT = 4


class Refused(Exception):
    """Raised when an answer has another status than 200."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(status, text)
        self.status: int = status
        self.text: str = text


class Connection:
    """A connection that stays open: whichever worker has accepted it, answers all its requests."""

    def __init__(self, port: int) -> None:
        self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        self.pid: int = self.ask("GET", "/pid")

    def send(self, method: str, path: str, **query: Any) -> None:
        """Send a request."""
        given = {name: value for name, value in query.items() if value is not None}
        self._http.request(method, f"{path}?{urllib.parse.urlencode(given)}")

    def answer(self) -> Any:
        """Wait for the answer."""
        response = self._http.getresponse()
        text = response.read().decode()
        if response.status != 200:
            raise Refused(response.status, text)
        return json.loads(text)

    def ask(self, method: str, path: str, **query: Any) -> Any:
        """Send a request and return the answer."""
        self.send(method, path, **query)
        return self.answer()

    def cancel(self, job: str, message: str, **query: Any) -> Any:
        """Cancel an operation, in whichever worker it runs."""
        return self.ask("DELETE", f"/jobs/{job}", message=message, **{"reason": "manual", **query})

    def listing(self, name: str, status: str | None = None) -> list[dict[str, Any]]:
        """Return all that runs under a name, page by page."""
        found, cursor = list[dict[str, Any]](), None
        while True:
            page = self.ask("GET", "/jobs", name=name, status=status, cursor=cursor)
            found += page["records"]
            cursor = page["cursor"]
            if cursor is None:
                return found

    def close(self) -> None:
        """Close it."""
        self._http.close()


class Workers:
    """The server and its workers."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: IO[bytes]) -> None:
        self.connections: dict[int, Connection] = {}
        self.port: int = port
        self._process = process
        self._log = log

    @property
    def log(self) -> str:
        """What the server and its workers have complained of."""
        self._log.seek(0)
        return self._log.read().decode()

    def meet(self) -> list[Connection]:
        """Wait until there are four workers, and return a connection to each.

        Those that are known are kept busy, so that one of the others accepts the next connection.
        """
        until(self._accepts, within=20)
        deadline = time.monotonic() + 20
        while len(self.connections) < COUNT:
            assert time.monotonic() < deadline, self.log
            assert self._process.poll() is None, self.log
            for known in self.connections.values():
                known.send("POST", "/block", seconds=0.1)
            new = Connection(self.port)
            for known in self.connections.values():
                known.answer()
            if new.pid in self.connections:
                new.close()
            else:
                self.connections[new.pid] = new
        return list(self.connections.values())

    def spread(self, name: str, count: int, *, quiet: bool = False) -> dict[str, Connection]:
        """Start so many jobs in each worker; return whose they are, as soon as all are listed."""
        owners: dict[str, Connection] = {}
        for each in self.connections.values():
            owners |= dict.fromkeys(each.ask("POST", "/jobs", name=name, count=count, quiet=quiet), each)
        until(lambda: all(len(each.listing(name)) == len(owners) for each in self.connections.values()))
        return owners

    def other_than(self, connection: Connection) -> Connection:
        """Return the connection to another worker."""
        return next(each for each in self.connections.values() if each is not connection)

    def signal(self, connection: Connection, number: signal.Signals) -> None:
        """Send a signal to a worker, and forget it."""
        os.kill(connection.pid, number)
        self.connections.pop(connection.pid).close()

    def _accepts(self) -> bool:
        assert self._process.poll() is None, self.log
        try:
            Connection(self.port).close()
        except OSError:
            return False
        return True


@contextmanager
def registry_workers(redis: RedisServer, *, loop: str = "asyncio", inbox: str = "on") -> Generator[Workers]:
    """Run the application; what is left of it at the end is killed."""
    port = free_port()
    options = ["--port", str(port), "--workers", str(COUNT), "--loop", loop, "--timeout-keep-alive", "60"]
    command = [sys.executable, "-m", "uvicorn", "registry_app:app", "--app-dir", str(Path(__file__).parent), *options]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [*command, "--log-level", "warning"],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "REGISTRY_URL": redis.url, "REGISTRY_INBOX": inbox},
            start_new_session=True,
        )
        workers = Workers(process, port, log)
        try:
            workers.meet()
            yield workers
            assert "Traceback" not in workers.log, workers.log
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # with its workers
            process.wait()
            for each in workers.connections.values():
                each.close()
