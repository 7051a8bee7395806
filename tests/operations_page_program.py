"""The app with the operations page as a program of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from .operations_page_app import Remote
from .redis_service import free_port, until

APP = Path(__file__).with_name("operations_page_app.py")


class Program(Remote):
    """The app as a program of its own."""

    def __init__(self, redis: str | None) -> None:
        super().__init__(free_port())
        command = [sys.executable, str(APP), str(self.port), *([redis] if redis else [])]
        self.process: subprocess.Popen[bytes] = subprocess.Popen(command)

    def terminate(self) -> float:
        """Send SIGTERM, and return how long it took to end."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)
        return time.monotonic() - began

    def answers(self) -> bool:
        """Tell whether it serves."""
        assert self.process.poll() is None, "it has ended"
        return self.is_there()


@contextmanager
def programs(*redis: str | None) -> Generator[list[Program]]:
    """Run one for each address of a Redis, or None without; what has not ended at the end is killed."""
    running = [Program(each) for each in redis]
    try:
        for each in running:
            until(each.answers, within=20)
        yield running
    finally:
        for each in running:
            each.process.kill()
            each.process.wait()
            each.leave()
