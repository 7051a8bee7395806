"""Streams of a real HTTP client, from a server that closes late, stalls or never ends."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import httpx
import pytest
from anyio.abc import SocketAttribute, SocketStream

from hother.cancelable import Cancelable, ManualCancelation, TimeoutCancelation, cancelable_stream
from hother.cancelable.streams import chunked_cancelable_stream

# The generators that httpx and httpcore iterate inside theirs are left to the garbage collector, of which trio warns.
pytestmark = pytest.mark.filterwarnings(
    r"ignore:.*Async generator 'http(x|core)\..* was garbage collected:pytest.PytestUnraisableExceptionWarning",
    r"ignore:Async generator 'http(x|core)\..* was garbage collected:ResourceWarning",
)

LINES = ["one", "two", "three", "four", "five"]

Take = Callable[[httpx.Response], AsyncIterator[Any]]

KINDS: dict[str, tuple[Take, list[Any]]] = {
    "lines": (lambda response: response.aiter_lines(), list(LINES)),
    "bytes": (lambda response: response.aiter_bytes(), [f"{line}\n".encode() for line in LINES]),
}

every_kind = pytest.mark.parametrize("kind", KINDS)


class Server:
    """Sends a line for each line that the test has asked for; knows when a connection was closed."""

    def __init__(self) -> None:
        self.port = 0
        self.closed = anyio.Event()
        self._send, self._receive = anyio.create_memory_object_stream[str | None](100)

    def say(self, *lines: str | None) -> None:
        """Send lines; None ends the response."""
        for line in lines:
            self._send.send_nowait(line)

    async def serve(self, connection: SocketStream) -> None:
        """Answer the one request of a connection, and wait for its end."""
        async with connection, anyio.create_task_group() as group:
            request = b""
            while b"\r\n\r\n" not in request:
                request += await connection.receive()
            await connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            group.start_soon(self._answer, connection)
            try:
                await connection.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                self.closed.set()
            group.cancel_scope.cancel()

    async def _answer(self, connection: SocketStream) -> None:
        async for line in self._receive:
            text = "" if line is None else f"{line}\n"
            try:
                await connection.send(f"{len(text):x}\r\n{text}\r\n".encode())
            except anyio.BrokenResourceError:
                return

    async def see_the_end(self) -> None:
        """Wait until the client has closed the connection."""
        with anyio.fail_after(10):
            await self.closed.wait()

    def close(self) -> None:
        """Close what the test has used to ask for lines."""
        self._send.close()
        self._receive.close()


@dataclass
class Exchange:
    """A response that has begun, and the server that sends it."""

    server: Server
    response: httpx.Response


@asynccontextmanager
async def exchange() -> AsyncGenerator[Exchange, None]:
    """Send a request to a server of the test's own; at the end its connection must have been closed."""
    server = Server()
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, server.serve)
        port = listener.extra(SocketAttribute.local_port)
        try:
            async with (
                httpx.AsyncClient(trust_env=False, timeout=20) as client,
                client.stream("GET", f"http://127.0.0.1:{port}/") as response,
            ):
                yield Exchange(server, response)
            await server.see_the_end()
        finally:
            server.close()
            group.cancel_scope.cancel()


@every_kind
@pytest.mark.parametrize("inside", [True, False])
async def test_to_the_end(kind: str, inside: bool) -> None:
    """Everything comes, and the stream is completed."""
    take, expected = KINDS[kind]
    async with exchange() as both, Cancelable() as operation:
        stream = cancelable_stream(take(both.response), operation if inside else None)
        items = list[Any]()
        both.server.say(LINES[0])
        async for item in stream:
            items.append(item)
            both.server.say(LINES[len(items)] if len(items) < len(LINES) else None)
        assert items == expected
        assert stream.partial.completed


@every_kind
async def test_a_break(kind: str) -> None:
    """The stream is left at once, though the server says no more; the response closes its connection as ever."""
    take, expected = KINDS[kind]
    async with exchange() as both:
        both.server.say(LINES[0])
        async with cancelable_stream(take(both.response), timeout=20) as stream:
            async for item in stream:
                assert item == expected[0]
                break
        assert not stream.partial.completed
        assert stream.operation.is_completed


@every_kind
async def test_a_server_that_stalls(kind: str) -> None:
    """The limit of an item ends the stream, which closes the connection."""
    take, expected = KINDS[kind]
    items = list[Any]()
    async with exchange() as both:
        both.server.say(LINES[0])
        with pytest.raises(TimeoutCancelation, match=r"no item within 0\.2 s"):
            async for item in cancelable_stream(take(both.response), item_timeout=0.2):
                items.append(item)
        await both.server.see_the_end()
    assert items == expected[:1]


@every_kind
async def test_a_cancel_while_the_server_is_waited_for(kind: str) -> None:
    """The operation ends at once, and the connection with it."""
    take, expected = KINDS[kind]
    items = list[Any]()
    async with exchange() as both:
        both.server.say(LINES[0])
        with pytest.raises(ManualCancelation, match="enough"):
            async with Cancelable() as operation, anyio.create_task_group() as group:

                async def cancel() -> None:
                    while not items:
                        await anyio.lowlevel.checkpoint()
                    await operation.cancel("enough")

                group.start_soon(cancel)
                async for item in operation.stream(take(both.response)):
                    items.append(item)
        await both.server.see_the_end()
    assert items == expected[:1]


@every_kind
async def test_chunks(kind: str) -> None:
    """Full chunks come at once, what a slow server has sent comes when its time is over."""
    take, expected = KINDS[kind]
    chunks = list[list[Any]]()
    async with exchange() as both:
        waiting = list(LINES)

        def say_next() -> None:
            both.server.say(waiting.pop(0) if waiting else None)

        async def paced() -> AsyncGenerator[Any, None]:
            say_next()
            async for item in take(both.response):
                yield item
                say_next()

        async for chunk in chunked_cancelable_stream(paced(), 2, max_wait=20):
            chunks.append(chunk)
    assert chunks == [expected[:2], expected[2:4], expected[4:]]


@every_kind
async def test_chunks_of_a_server_that_stalls(kind: str) -> None:
    """A chunk that is not full is handed out after its time; leaving the chunks closes the connection."""
    take, expected = KINDS[kind]
    async with exchange() as both:
        both.server.say(LINES[0])
        async with chunked_cancelable_stream(take(both.response), 3, max_wait=0.1) as chunks:
            async for chunk in chunks:
                assert chunk == expected[:1]
                break
        await both.server.see_the_end()
