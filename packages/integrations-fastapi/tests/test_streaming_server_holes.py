"""What a client of a real server gets of a stream that ends while the client does not read."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from itertools import count
from typing import Any

import anyio
import pytest
from fastapi import FastAPI
from starlette.middleware.base import BaseHTTPMiddleware

from hother.cancelable import Cancelable
from hother.cancelable.integrations.fastapi import RequestCancelationMiddleware, cancelable_streaming_response

from .serving import Client, Journal, each_server, serving

pytestmark = pytest.mark.server

SIZE = 65536


def flooding(journal: Journal, media_type: str, move_on: bool) -> FastAPI:
    """Return an app that sends numbered events without end, cut anew, until it runs out of time.

    Below `BaseHTTPMiddleware`, where a piece that waits to be sent is lost when the sending is interrupted.
    """
    app = FastAPI()
    app.add_middleware(BaseHTTPMiddleware, dispatch=lambda request, call_next: call_next(request))
    app.add_middleware(RequestCancelationMiddleware)

    @app.get("/")
    async def flood() -> Any:
        async def generate() -> AsyncIterator[bytes]:
            try:
                for first in count(step=20):
                    yield b"".join(b"data: %06d" % (first + n) + b"x" * (SIZE - 14) + b"\n\n" for n in range(20))
                    await anyio.sleep(0)
            finally:
                journal.note("finally")

        operation = Cancelable.with_timeout(0.5, move_on=move_on)
        return cancelable_streaming_response(generate(), operation, media_type, SIZE)

    return app


def body_of(client: Client) -> tuple[bytes, bool]:
    """Return the chunked body of a response, and whether it is complete."""
    client.read_until(b"\r\n\r\n")
    body = bytearray()
    while not client.received.endswith(b"\r\n0\r\n\r\n") and (data := client.socket.recv(1 << 20)):
        client.received += data
    rest = client.received
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        if (length := int(size, 16)) == 0:
            return bytes(body), True
        body += rest[:length]
        rest = rest[length + 2 :]
    return bytes(body), False


@each_server
@pytest.mark.parametrize("move_on", [True, False])
def test_text_with_a_hole(kind: str, move_on: bool) -> None:
    """A text is cut off before the piece that was lost, so that the client knows that there is more."""
    journal, received = Journal(), list[tuple[bytes, bool]]()
    app = flooding(journal, "text/plain", move_on)
    with pytest.raises(AssertionError, match="Exception in ASGI application"), serving(app, kind) as server:
        client = server.connect()
        client.get("/")
        journal.when("finally")
        received.append(body_of(client))
    [(body, complete)] = received
    assert not complete
    numbers = [int(each) for each in re.findall(rb"data: (\d{6})", body)]
    assert numbers == list(range(len(numbers)))


@each_server
@pytest.mark.parametrize("move_on", [True, False])
def test_events_with_a_hole(kind: str, move_on: bool) -> None:
    """An event stream ends before the event that was lost with one that says why."""
    journal = Journal()
    with serving(flooding(journal, "text/event-stream", move_on), kind) as server:
        client = server.connect()
        client.get("/")
        journal.when("finally")
        body, complete = body_of(client)
    assert complete
    numbers = [int(each) for each in re.findall(rb"data: (\d{6})", body)]
    assert numbers == list(range(len(numbers)))
    assert body[len(numbers) * SIZE :].startswith(b'event: cancelled\ndata: {"reason": "timeout"')
