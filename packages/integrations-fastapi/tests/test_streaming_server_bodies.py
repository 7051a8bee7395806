"""What clients of a real server get of a stream that ends before its time, and what they may still send."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

import anyio
import pytest
from fastapi import Depends, Request
from fastapi.sse import ServerSentEvent

from hother.cancelable import Cancelable
from hother.cancelable.integrations.fastapi import cancelable_dependency, cancelable_streaming_response

from .hand_made import make_app, with_and_without
from .serving import Journal, each_server, serving

pytestmark = pytest.mark.server

Operation = Annotated[Cancelable, Depends(cancelable_dependency)]


@each_server
@with_and_without
def test_incomplete_body_on_timeout(kind: str, middleware: bool) -> None:
    """A text that runs out of time is cut off: the client sees that it is incomplete, and the server logs that."""
    app, journal = make_app(middleware=middleware), Journal()

    @app.get("/")
    async def text(request: Request) -> Any:
        operation = cancelable_dependency(request, timeout=0.5)

        async def generate() -> AsyncIterator[str]:
            try:
                yield "half"
                await anyio.sleep(30)
            finally:
                journal.note("finally")

        return cancelable_streaming_response(generate(), operation)

    received = b""
    logged = "returned without completing response" if middleware else "Exception in ASGI application"
    with pytest.raises(AssertionError, match=logged), serving(app, kind) as server:
        client = server.connect()
        client.get("/")
        while data := client.socket.recv(65536):
            received += data
    assert b"text/plain" in received
    assert received.endswith(b"4\r\nhalf\r\n")
    journal.when("finally")


@each_server
@with_and_without
def test_last_event_on_timeout(kind: str, middleware: bool) -> None:
    """An event stream that runs out of time tells its client so, ends properly, and the connection goes on."""
    app = make_app(middleware=middleware)

    @app.get("/")
    async def events(request: Request) -> Any:
        async def generate() -> AsyncIterator[ServerSentEvent]:
            yield ServerSentEvent(data=1)
            await anyio.sleep(30)

        operation = cancelable_dependency(request, timeout=0.5)
        return cancelable_streaming_response(generate(), operation, "text/event-stream")

    with serving(app, kind) as server:
        client = server.connect()
        for _ in range(2):
            client.get("/")
            received = client.read_until(b"0\r\n\r\n")
            assert b"data: 1\n\n" in received
            assert (
                b'event: cancelled\ndata: {"reason": "timeout", "detail": "The request took too long"}\n\n' in received
            )


@each_server
@with_and_without
def test_client_that_does_not_read(kind: str, middleware: bool) -> None:
    """A stream to a client that does not read waits for it, and ends when that client is gone."""
    app, journal = make_app(middleware=middleware), Journal()

    @app.get("/")
    async def flood() -> Any:
        async def generate() -> AsyncIterator[bytes]:
            sent = 0
            try:
                while True:
                    yield bytes(65536)
                    sent += 1
                    journal.values["sent"] = sent
            finally:
                journal.note("finally", sent)

        return cancelable_streaming_response(generate(), media_type="application/octet-stream")

    with serving(app, kind) as server:
        client = server.connect()
        client.get("/")
        client.read_until(b"\r\n\r\n")
        sent = -1
        while sent != journal.values.get("sent"):  # until the buffers are full
            sent = journal.values.get("sent", 0)
            time.sleep(0.1)
        killed = client.kill()
        assert journal.when("finally") - killed < 0.5


@each_server
def test_body_is_read_in_the_generator(kind: str) -> None:
    """A generator may stream what it reads from the request, with the dependency alone, and nothing gets lost."""
    app = make_app(middleware=False)

    @app.post("/echo")
    async def echo(request: Request, cancel: Operation) -> Any:
        async def generate() -> AsyncIterator[bytes]:
            async for piece in request.stream():
                yield piece.upper()

        return cancelable_streaming_response(generate(), cancel)

    with serving(app, kind) as server:
        client = server.connect()
        client.start_post("/echo")
        for piece in (b"one,", b"two,", b"three.", b""):
            client.chunk(piece)
            time.sleep(0.02)
        received = client.read_until(b"0\r\n\r\n").partition(b"\r\n\r\n")[2]
    lines = received.split(b"\r\n")
    assert b"".join(lines[1::2]) == b"ONE,TWO,THREE."
