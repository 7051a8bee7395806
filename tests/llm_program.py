"""Running the example with a language model: against its own server or one that the test plays, piece by piece."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

EXAMPLE = Path(__file__).parents[1] / "examples" / "06_llm" / "01_llm_streaming.py"
PATIENCE = 15.0
WHOLE = (
    "A stream that stops well has three manners. It stops between two words that you have read, and not in the one "
    "that you are reading. It remembers what it has said, also when nobody is connected any more. And when it goes on, "
    "it goes on with the very next letter: the conversation so far comes with each request, so that nothing has to be "
    "kept in between.\n"
)
"""What the example's own model answers to everything."""
HEAD = "HTTP/1.1 200 OK\r\ncontent-type: {}\r\nconnection: close\r\n\r\n"


def command(*options: str) -> list[str]:
    """Return the program with its options. Warnings are errors, but for those about httpx on trio."""
    # httpx leaves async generators to the garbage collector (https://github.com/encode/httpx/pull/3593).
    unless = ["-W", "ignore::ResourceWarning"] if "trio" in options else []
    return [sys.executable, "-W", "error", *unless, str(EXAMPLE), *options]


def environment(**variables: str) -> dict[str, str]:
    """Return the environment of the program."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LLM_")}
    return {**kept, "NO_PROXY": "127.0.0.1", **variables}


def start(*options: str, **variables: str) -> subprocess.Popen[str]:
    """Start the program without a terminal."""
    return subprocess.Popen(
        command(*options),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**variables),
    )


def finish(program: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Wait until the program ends; return its exit code, the answer and the remarks."""
    try:
        answer, remarks = program.communicate(timeout=PATIENCE)
    finally:
        program.kill()
        program.wait()
    return program.returncode, answer, remarks


class Model:
    """A model server that the test plays itself."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(PATIENCE)
        self._connections: list[Connection] = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for connection in self._connections:
            connection.close()
        self._listener.close()

    def accept(self) -> Connection:
        """Wait for a request."""
        connection = Connection(self._listener.accept()[0])
        self._connections.append(connection)
        return connection


class Connection:
    """A request, and the connection that its answer goes over."""

    def __init__(self, client: socket.socket) -> None:
        self._client = client
        client.settimeout(PATIENCE)
        with client.makefile("rb") as stream:
            self.request = stream.readline().decode().strip()
            self.headers: dict[str, str] = {}
            while line := stream.readline().decode().strip():
                name, _, value = line.partition(": ")
                self.headers[name.lower()] = value
            self.body: Any = json.loads(stream.read(int(self.headers["content-length"])))

    @property
    def messages(self) -> list[tuple[str, str]]:
        """The conversation: who has said what."""
        return [(message["role"], message["content"]) for message in self.body["messages"]]

    def send(self, text: str) -> None:
        """Send what is given."""
        self._client.sendall(text.encode())

    def begin(self, content_type: str = "text/event-stream") -> None:
        """Send the head of an answer."""
        self.send(HEAD.format(content_type))

    def say(self, *pieces: str) -> None:
        """Send pieces of the answer."""
        for piece in pieces:
            self.send(f"data: {json.dumps({'choices': [{'delta': {'content': piece}}]})}\n\n")

    def end(self) -> None:
        """Send the end of the answer."""
        self.send("data: [DONE]\n\n")

    def wait_until_client_leaves(self) -> None:
        """Return when the client has closed the connection."""
        try:
            assert self._client.recv(1) == b""
        except ConnectionResetError:
            pass

    def close(self) -> None:
        """Close the connection."""
        self._client.close()
