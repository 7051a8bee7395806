"""Requests that wait for signals, under a real uvicorn: they end, and the server does as it would have without them."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals"),
]

PATIENCE = 20.0
"""How long a server may take, in seconds, before it is killed."""

each_loop = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
each_signal = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])


class Server:
    """The application under `python -m uvicorn`."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self._port = port

    def request(self, path: str) -> socket.socket:
        """Send a request and return the connection."""
        connection = socket.create_connection(("127.0.0.1", self._port), timeout=PATIENCE)
        connection.sendall(f"GET /{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        return connection

    def get(self, path: str) -> str:
        """Send a request and return the answer."""
        return answer(self.request(path))

    def says(self, expected: str) -> None:
        """Wait for the next line of the application, which is this."""
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == f"{expected}\n"

    def end(self) -> tuple[int, list[str]]:
        """Wait for the end of the server and return its exit status and what it has logged of its end."""
        log = re.sub(r"\[\d+\]", "[pid]", self.process.communicate()[1]).splitlines()
        assert not any("Traceback" in line for line in log), log
        return self.process.returncode, [line for line in log if re.search("Shutting down|Finished server", line)]


@contextmanager
def serving(loop: str) -> Generator[Server]:
    """Run the application under uvicorn as a program of its own, on a socket that clients can connect to at once."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = [sys.executable, "-X", "dev", "-m", "uvicorn", "signals_app:app", "--fd", str(listener.fileno())]
        options = ["--loop", loop, "--lifespan", "off", "--no-access-log", "--app-dir", str(Path(__file__).parent)]
        process = subprocess.Popen(
            [*command, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            pass_fds=[listener.fileno()],
            env={**os.environ, "NO_COLOR": "1"},
        )
        port: int = listener.getsockname()[1]
    impatience = threading.Timer(PATIENCE, process.kill)
    impatience.start()
    with process:
        try:
            yield Server(process, port)
        finally:
            impatience.cancel()
            process.kill()


def answer(connection: socket.socket) -> str:
    """Return the status and the text that a connection brings."""
    with connection:
        received = b"".join(iter(lambda: connection.recv(4096), b"")).decode()
    return f"{received.split()[1]} {received.rpartition(chr(10))[2]}"


def usual_end(loop: str, number: int) -> tuple[int, list[str]]:
    """Return how a server ends by a signal without any operation."""
    with serving(loop) as server:
        assert server.get("plain") == "200 fine"
        server.process.send_signal(number)
        return server.end()


@each_loop
@each_signal
def test_signal_ends_request_and_server(loop: str, number: signal.Signals) -> None:
    """A signal ends the request that waits for it, which cleans up and answers, and the server shuts down as ever."""
    with serving(loop) as server:
        connection = server.request(number.name)
        server.says("waiting")
        server.process.send_signal(number)
        server.says("cleaned up")
        assert answer(connection) == f"503 received {number.name}"
        end = server.end()
    assert end == usual_end(loop, number)
    assert len(end[1]) == 2


@each_loop
@each_signal
def test_signal_after_requests(loop: str, number: signal.Signals) -> None:
    """After requests that waited for it in vain, a signal shuts the server down as ever."""
    with serving(loop) as server:
        for _ in range(3):
            assert server.get("quick") == "200 fine"
        server.process.send_signal(number)
        assert server.end() == usual_end(loop, number)


@each_loop
def test_several_requests(loop: str) -> None:
    """All requests that wait for the signal end; one that came and went beside them makes no difference."""
    with serving(loop) as server:
        connections = [server.request("SIGTERM") for _ in range(3)]
        for _ in connections:
            server.says("waiting")
        assert server.get("quick") == "200 fine"
        server.process.send_signal(signal.SIGTERM)
        assert [answer(connection) for connection in connections] == ["503 received SIGTERM"] * 3
        assert server.process.stdout is not None
        for _ in connections:
            server.says("cleaned up")
        end = server.end()
    assert end == usual_end(loop, signal.SIGTERM)


@each_loop
def test_request_that_waits_for_another_signal(loop: str) -> None:
    """A request that waits for a signal that the server does not know ends by it, and the server goes on."""
    with serving(loop) as server:
        for _ in range(2):
            connection = server.request("SIGHUP")
            server.says("waiting")
            server.process.send_signal(signal.SIGHUP)
            server.says("cleaned up")
            assert answer(connection) == "503 received SIGHUP"
        assert server.get("plain") == "200 fine"
        server.process.send_signal(signal.SIGTERM)
        assert server.end() == usual_end(loop, signal.SIGTERM)
