"""The FastAPI example as a program of its own, and what it prints."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import httpx

from .programs import EXAMPLES
from .redis_service import free_port

EXAMPLE = EXAMPLES / "03_integrations/04_fastapi_example.py"


class Example:
    """The example's server as a program of its own, and what it prints."""

    def __init__(self, command: list[str], port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._lines: list[tuple[float, str]] = []
        self._forgotten = 0
        self._is_interrupted = False
        self._changed = threading.Condition()
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        self._process = subprocess.Popen(
            command, cwd=EXAMPLES.parent, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._changed:
                self._lines.append((time.monotonic(), line.rstrip()))
                self._changed.notify_all()

    def printed(self, pattern: str, timeout: float = 10) -> tuple[float, str]:
        """Wait for a line and return when it was printed, and what the pattern's group found in it."""

        def find() -> tuple[float, str] | None:
            matches = ((when, re.search(pattern, line)) for when, line in self._lines[self._forgotten :])
            return next(((when, match[match.re.groups]) for when, match in matches if match), None)

        with self._changed:
            found = self._changed.wait_for(find, timeout)
        assert found, f"{pattern!r} was not printed; this was: {self.text}"
        return found

    @property
    def text(self) -> str:
        """All that was printed so far."""
        return "\n".join(line for _, line in self._lines)

    def forget(self) -> None:
        """Look only at what is printed from now on."""
        self._forgotten = len(self._lines)

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request and return the response."""
        return httpx.request(method, self.url + path, timeout=10, **options)

    def wait_until_it_answers(self) -> None:
        """Return as soon as the server answers."""
        deadline = time.monotonic() + 15
        while True:
            try:
                self.request("GET", "/jobs")
            except httpx.TransportError:
                assert time.monotonic() < deadline, self.text
                assert self._process.poll() is None, self.text
                time.sleep(0.05)
            else:
                return

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self._is_interrupted = True
        self._process.send_signal(signal.SIGINT)

    def stop(self) -> None:
        """End the program as Ctrl-C does."""
        if not self._is_interrupted:
            self.interrupt()
        try:
            self._process.wait(10)
        finally:
            self._process.kill()
            self._process.wait()
            self._reader.join()
            assert self._process.stdout is not None
            self._process.stdout.close()


@contextmanager
def running_example(*command: str) -> Generator[Example]:
    """Run the example, or a command that serves it, on a free port; what is left of it at the end gets a Ctrl-C."""
    port = free_port()
    running = Example([sys.executable, *(command or (str(EXAMPLE),)), "--port", str(port)], port)
    try:
        running.wait_until_it_answers()
        yield running
    finally:
        running.stop()
