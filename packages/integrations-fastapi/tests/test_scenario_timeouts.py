"""The middleware's `default_timeout` on real servers: one 504, or a transfer that is cut off, and nothing else."""

import contextlib
import logging
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator
from typing import Annotated

import anyio
import pytest
from fastapi import BackgroundTasks, Depends, FastAPI, Request
from fastapi.responses import StreamingResponse
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hother.cancelable import Cancelable, CancelationReason
from hother.cancelable.integrations.fastapi import RequestCancelationMiddleware, cancelable_dependency

from .serving import Client, Journal, each_server, every_server, serving

pytestmark = pytest.mark.server

Operation = Annotated[Cancelable, Depends(cancelable_dependency)]
DETAIL = b'{"detail": "The request took too long"}'
UNFINISHED = "ASGI callable returned without completing response."
"""What uvicorn logs of an app that ends a response half-way; there is no quieter way."""


class Recorded:
    """An app, and the types of all that it sends, for each request in a list of its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.responses: list[list[str]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        types = list[str]()

        async def record(message: Message) -> None:
            types.append(message["type"])
            await send(message)

        if scope["type"] == "http":
            self.responses.append(types)
        await self._app(scope, receive, record)


@contextlib.contextmanager
def expecting(message: str) -> Generator[list[str]]:
    """Keep a message of uvicorn from the log that the server is checked by, and give those that were kept."""
    kept, logger = list[str](), logging.getLogger("uvicorn.error")

    def is_other(record: logging.LogRecord) -> bool:
        if record.getMessage() != message:
            return True
        kept.append(message)
        return False

    logger.addFilter(is_other)
    try:
        yield kept
    finally:
        logger.removeFilter(is_other)


def make_slow_app(journal: Journal) -> FastAPI:
    """Return an app whose endpoints take too long, before their response or within."""
    app = FastAPI()

    async def session() -> AsyncGenerator[None]:
        try:
            yield
        finally:
            await anyio.sleep(0.1)
            journal.note("session closed")

    @app.get("/operation")
    async def with_operation(session: Annotated[None, Depends(session)], operation: Operation) -> None:
        async with operation:
            await anyio.sleep(30)

    @app.get("/none")
    async def without_operation() -> None:
        try:
            await anyio.sleep(30)
        finally:
            journal.note("ended")

    @app.post("/upload")
    async def upload(request: Request) -> int:
        return len(await request.body())

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"piece"
                    await anyio.sleep(0.05)
            finally:
                journal.note("stream ended")

        return StreamingResponse(pieces())

    @app.get("/stream-operation")
    async def stream_with_operation(operation: Operation) -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            try:
                async with operation:
                    yield b"piece"
                    await anyio.sleep(30)
            finally:
                journal.note("stream ended", operation.context.cancel_reason)

        return StreamingResponse(pieces())

    return app


async def pass_on(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Do what a middleware of `@app.middleware("http")` does."""
    return await call_next(request)


def rest(client: Client) -> bytes:
    """Return all that comes until the server closes the connection."""
    with contextlib.suppress(ConnectionResetError):
        while data := client.socket.recv(65_536):
            client.received += data
    return client.received


@every_server
@pytest.mark.parametrize("path", ["/operation", "/none"])
def test_timeout_before_the_response(kind: str, path: str) -> None:
    """A response that has not started is one 504, in time, on a connection that lives on; clean-up completes."""
    journal = Journal()
    app = Recorded(RequestCancelationMiddleware(make_slow_app(journal), default_timeout=0.3))
    with serving(app, kind) as server:
        client = server.connect()
        for _ in range(2):
            begun = time.monotonic()
            client.get(path)
            assert client.response() == (504, DETAIL)
            assert 0.29 < time.monotonic() - begun < 3
        assert ("session closed" if path == "/operation" else "ended") in journal
    assert app.responses == [["http.response.start", "http.response.body"]] * 2


@each_server
def test_timeout_of_an_upload(kind: str) -> None:
    """A client that stops in the midst of its body gets the 504, too."""
    with serving(RequestCancelationMiddleware(make_slow_app(Journal()), default_timeout=0.3), kind) as server:
        client = server.connect()
        client.start_post("/upload")
        client.chunk(b"piece")
        assert client.response() == (504, DETAIL)


@each_server
@pytest.mark.parametrize("layer", ["alone", "above", "below"])
@pytest.mark.parametrize("path", ["/stream", "/stream-operation"])
def test_timeout_within_the_response(kind: str, path: str, layer: str) -> None:
    """A response that has started is cut off: its chunked body has no end, though other middlewares lie around."""
    journal = Journal()
    app = make_slow_app(journal)
    if layer == "below":
        app.add_middleware(RequestCancelationMiddleware, default_timeout=0.8)
    if layer != "alone":
        app.middleware("http")(pass_on)
    if layer != "below":
        app.add_middleware(RequestCancelationMiddleware, default_timeout=0.8)
    recorded = Recorded(app)
    logging.getLogger("uvicorn.error").disabled = layer == "below"  # there the server logs what it refuses
    try:
        with expecting(UNFINISHED) as kept, serving(recorded, kind) as server:
            client = server.connect()
            client.get(path)
            received = rest(client)
            journal.when("stream ended")
    finally:
        logging.getLogger("uvicorn.error").disabled = False
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\n5\r\npiece\r\n" in received
    assert not received.endswith(b"0\r\n\r\n")
    assert recorded.responses[0].count("http.response.start") == 1
    assert kept == ([] if layer == "below" else [UNFINISHED])
    if path == "/stream-operation":
        assert journal.values["stream ended"] is CancelationReason.TIMEOUT


@pytest.mark.parametrize("kind", ["hypercorn", "hypercorn-trio", "granian"])
@pytest.mark.parametrize("path", ["/stream", "/stream-operation"])
def test_timeout_within_the_response_on_other_servers(kind: str, path: str) -> None:
    """So it is on the others."""
    journal = Journal()
    with serving(RequestCancelationMiddleware(make_slow_app(journal), default_timeout=0.8), kind) as server:
        client = server.connect()
        client.get(path)
        client.read_until(b"piece")
        journal.when("stream ended")
        client.socket.settimeout(2)
        with contextlib.suppress(TimeoutError):
            rest(client)
        assert not client.received.endswith(b"0\r\n\r\n")


@every_server
def test_background_task_with_a_deadline(kind: str) -> None:
    """A background task of 1 s finishes though requests have 0.5 s: with a client that stays, leaves, or asks again."""
    app, journal = FastAPI(), Journal()
    app.add_middleware(RequestCancelationMiddleware, default_timeout=0.5)

    async def work(name: str) -> None:
        async with Cancelable() as operation:
            await anyio.sleep(1)
        journal.note(name, operation.cancel_requested)

    @app.get("/{name}")
    async def endpoint(name: str, tasks: BackgroundTasks, operation: Operation) -> str:
        tasks.add_task(work, name)
        async with operation:
            return name

    with serving(app, kind) as server:
        for name in ("stays", "leaves", "asks"):
            client = server.connect()
            client.get(f"/{name}")
            assert client.response() == (200, f'"{name}"'.encode())
            if name == "leaves":
                client.kill()
            if name == "asks":
                client.get("/again")
                client.response()
        for name in ("stays", "leaves", "asks", "again"):
            journal.when(name)
    assert [journal.values[name] for name in ("stays", "leaves", "asks", "again")] == [False] * 4


@each_server
def test_100_requests_with_a_deadline(kind: str) -> None:
    """Of 100 requests on one connection every third is too late, and gets the 504; nothing adds up."""
    app, threads, tasks = FastAPI(), set[int](), set[int]()

    @app.get("/{number}")
    async def endpoint(number: int, operation: Operation) -> int:
        threads.add(threading.active_count())
        tasks.add(len(anyio.get_running_tasks()))
        async with operation:
            await anyio.sleep(30 if number % 3 == 0 else 0)
        return number

    with serving(RequestCancelationMiddleware(app, default_timeout=0.2), kind) as server:
        client = server.connect()
        for number in range(100):
            client.get(f"/{number}")
            assert client.response() == ((504, DETAIL) if number % 3 == 0 else (200, str(number).encode()))
    assert len(threads) == 1
    assert max(tasks) - min(tasks) <= 1
