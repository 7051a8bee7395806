"""SIGTERM and Ctrl-C for real servers with open streams, web sockets and work on answers."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from .clients import Client

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals"),
]

PATIENCE = 25.0
"""How long a server may take, in seconds, before it is killed."""
UVICORN = ["uvicorn", "shutdown_app:app", "--port", "0", "--no-access-log", "--app-dir", str(Path(__file__).parent)]
SERVERS = {
    "h11": [*UVICORN, "--http", "h11", "--loop", "asyncio"],
    "httptools": [*UVICORN, "--http", "httptools", "--loop", "uvloop"],
    "workers": [*UVICORN, "--workers", "2"],
}


class Program:
    """A server that runs as a program of its own."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self._process = process
        self._lines: list[str] = []
        self._news = threading.Condition()
        self._stderr: list[str] = []
        self.port = port
        self._readers = [threading.Thread(target=self._read_stdout), threading.Thread(target=self._read_stderr)]
        for reader in self._readers:
            reader.start()

    def _read_stdout(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._news:
                self._lines.append(line.rstrip())
                self._news.notify_all()

    def _read_stderr(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            with self._news:
                self._stderr.append(line)
                if found := re.search(r"running on http://127\.0\.0\.1:(\d+)", line):
                    self.port = int(found[1])
                self._news.notify_all()

    def wait_for(self, what: str, count: int = 1) -> None:
        """Wait until the app has said something so many times."""
        with self._news:
            assert self._news.wait_for(lambda: self.said(what) >= count and self.port, PATIENCE), self._stderr

    def said(self, what: str) -> int:
        """Return how many times the app has said something."""
        return sum(line.endswith(f" {what}") for line in self._lines)

    def last_words(self) -> set[str]:
        """Return what each process has said last."""
        said = [line.split(" ", 1) for line in self._lines if re.match(r"\d+ ", line)]
        return set(dict(said).values())

    def signal(self, number: signal.Signals) -> float:
        """Send the server a signal, as a terminal does: Ctrl-C to all of its processes. Return when."""
        if number is signal.SIGINT:
            os.killpg(self._process.pid, number)
        else:
            self._process.send_signal(number)
        return time.monotonic()

    def kill(self) -> None:
        """End all of its processes."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def end(self) -> float:
        """Wait for the end of the server, and return when it came."""
        self._process.wait(PATIENCE)
        ended = time.monotonic()
        for reader in self._readers:
            reader.join(PATIENCE)
        return ended

    @property
    def complaints(self) -> list[str]:
        """What the server has said of errors."""
        return [line for line in self._stderr if re.search(r"Traceback|ERROR|WARN|Exception|Error", line)]

    def connect(self) -> Client:
        """Open a connection; granian opens its port only after the lifespan has begun."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return Client(self.port)
            except ConnectionRefusedError:
                assert time.monotonic() < deadline, "the port was not opened"
                time.sleep(0.02)

    def streams(self, paths: Iterable[str]) -> list[Client]:
        """Open streams, and wait for the first event of each."""
        clients = [self.connect() for _ in paths]
        for client, path in zip(clients, paths, strict=True):
            client.get(path)
        for client in clients:
            client.read_until(b"data: tick\n\n")
        return clients

    def socket(self) -> AbstractContextManager[ClientConnection]:
        """Open a web socket."""
        return connect(f"ws://127.0.0.1:{self.port}/socket", proxy=None)

    def post(self) -> Client:
        """Begin the work on an answer."""
        client = self.connect()
        client.send(b"POST /work HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n")
        self.wait_for("work begun")
        return client


@contextlib.contextmanager
def running(command: list[str], *, workers: int = 1, grace: float = 10, port: int = 0) -> Generator[Program]:
    """Run a server, and kill it where it does not end."""
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "NO_COLOR": "1", "GRACE": str(grace)},
    )
    program = Program(process, port)
    impatience = threading.Timer(PATIENCE, program.kill)
    impatience.start()
    try:
        program.wait_for("lifespan begun", workers)
        yield program
    finally:
        impatience.cancel()
        program.kill()
        program.end()
        for stream in (process.stdout, process.stderr):
            assert stream is not None
            stream.close()


def assert_ended_in_peace(client: Client) -> None:
    """Check that an event stream has a last event, and a clean end."""
    rest = client.read_until(b"\r\n0\r\n\r\n")
    assert re.search(rb"event: cancelled\r?\ndata: [^\n]+\n\n\r\n0\r\n\r\n$", rest), rest
    client.close()


def close_code(connection: ClientConnection) -> int | None:
    """Wait until the server closes a web socket, and return its code."""
    with pytest.raises(ConnectionClosed) as caught:
        connection.recv(timeout=5)
    return caught.value.rcvd.code if caught.value.rcvd else None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("kind", SERVERS)
def test_everything_ends_in_time(kind: str, number: signal.Signals) -> None:
    """20 streams get a last event and a clean end, 2 web sockets 1012, a POST of 1 s its 200, and then all is over."""
    workers = 2 if kind == "workers" else 1
    with running(SERVERS[kind], workers=workers) as program, contextlib.ExitStack() as stack:
        streams = program.streams(["/own", "/ours"] * 10)
        sockets = [stack.enter_context(program.socket()) for _ in range(2)]
        post = program.post()
        signalled = program.signal(number)
        for stream in streams:
            assert_ended_in_peace(stream)
        assert program.said("work ended") == 0
        assert [close_code(each) for each in sockets] == [1012, 1012]
        assert post.response() == (200, b'"done"')
        post.close()
        answered = time.monotonic()
        ended = program.end()
        assert 0.9 < answered - signalled < 3
        assert ended - answered < 2
        assert program.said("stream ended") == 20
        assert program.said("lifespan ended") == workers
        assert program.last_words() == {"lifespan ended"}
        assert program.complaints == []


def test_second_control_c_forces() -> None:
    """While the grace time runs, a second Ctrl-C ends the server at once, as it does without us."""
    with running(SERVERS["h11"], grace=60) as program:
        client = program.connect()
        client.get("/endless")
        program.wait_for("endless begun")
        program.signal(signal.SIGINT)
        with program._news:
            assert program._news.wait_for(lambda: any("Waiting for conn" in line for line in program._stderr), PATIENCE)
        forced = program.signal(signal.SIGINT)
        client.close()  # from Python 3.12 on uvicorn waits for that, even then
        assert program.end() - forced < 2
        assert program.said("lifespan ended") == 0


def test_grace_time_ends_what_never_would() -> None:
    """What has no answer after the grace time gets its 503, and the server ends."""
    with running(SERVERS["httptools"], grace=0.5) as program:
        client = program.connect()
        client.get("/endless")
        program.wait_for("endless begun")
        signalled = program.signal(signal.SIGTERM)
        head = client.read_until(b"\r\n\r\n").lower()
        assert b" 503 " in head
        assert b"retry-after: 5" in head
        assert b"connection: close" in head
        client.close()
        assert program.end() - signalled < 3
        assert program.last_words() == {"lifespan ended"}
        assert program.complaints == []


def test_granian() -> None:
    """On granian, too, the signal reaches the app, streams end in peace, and the lifespan ends last."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port: int = reserved.getsockname()[1]
    command = ["granian", "--interface", "asgi", "--port", str(port), "--working-dir", str(Path(__file__).parent)]
    with running([*command, "shutdown_app:app"], port=port) as program:
        streams = program.streams(["/own", "/ours"] * 2)
        post = program.post()
        signalled = program.signal(signal.SIGTERM)
        for stream in streams:
            assert_ended_in_peace(stream)
        assert post.response() == (200, b'"done"')
        post.close()
        assert program.end() - signalled < 5
        assert program.said("stream ended") == 4
        assert program.last_words() == {"lifespan ended"}
