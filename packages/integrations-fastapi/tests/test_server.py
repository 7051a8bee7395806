"""With a real server, an endpoint stops when its client dies, and nothing else changes."""

import hashlib
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import anyio
import pytest
from fastapi import BackgroundTasks, Depends, FastAPI, Request
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import Response

from hother.cancelable import Cancelable, CancelationReason, DisconnectCancelation
from hother.cancelable.integrations.fastapi import RequestCancelationMiddleware, cancelable_dependency

from .hand_made import with_and_without
from .serving import Journal, each_server, serving

pytestmark = pytest.mark.server

Operation = Annotated[Cancelable, Depends(cancelable_dependency)]
PIECES = [bytes([number]) * 104_858 for number in range(10)]
DIGEST = hashlib.sha256(b"".join(PIECES)).hexdigest()


async def pass_on(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Do what a middleware of `@app.middleware("http")` does."""
    return await call_next(request)


def make_app(journal: Journal, *, middleware: bool) -> FastAPI:
    """Return an app with a long endpoint and one that reads its body slowly."""
    app = FastAPI()
    if middleware:
        app.add_middleware(RequestCancelationMiddleware)

    @app.get("/long")
    async def long(operation: Operation) -> None:
        try:
            async with operation:
                journal.note("started")
                try:
                    await anyio.sleep(30)
                finally:
                    journal.note("finally")
        finally:
            journal.note("ended", operation.context.cancel_reason)

    @app.post("/digest")
    async def digest(request: Request, operation: Operation) -> str:
        found = hashlib.sha256()
        async with operation:
            journal.note("started")
            assert not await request.is_disconnected()
            try:
                async for piece in request.stream():
                    found.update(piece)
                    journal.note("piece")
                    await anyio.sleep(0.01)
                await anyio.sleep(0.05)
            finally:
                journal.note("finally")
        return found.hexdigest()

    return app


def assert_stops(app: FastAPI, kind: str, journal: Journal, *, killed: bool = True) -> None:
    """Check that the long endpoint stops in time when its client goes."""
    with serving(app, kind) as server:
        client = server.connect()
        client.get("/long")
        journal.when("started")
        gone = client.kill() if killed else client.close()
        assert journal.when("finally") - gone < 0.2
        journal.when("ended")
        assert journal.values["ended"] is CancelationReason.DISCONNECT


@each_server
@with_and_without
@pytest.mark.parametrize("killed", [True, False], ids=["killed", "closed"])
def test_long_endpoint_stops(kind: str, middleware: bool, killed: bool) -> None:
    """When the client goes, the work's `finally` has run within 0.2 s, and nobody logs an error."""
    journal = Journal()
    assert_stops(make_app(journal, middleware=middleware), kind, journal, killed=killed)


@each_server
@pytest.mark.parametrize("order", ["around", "inside"])
def test_long_endpoint_stops_with_base_http_middleware(kind: str, order: str) -> None:
    """So it does around and inside a middleware of Starlette's `BaseHTTPMiddleware`, as quietly."""
    journal = Journal()
    app = make_app(journal, middleware=order == "inside")
    app.add_middleware(BaseHTTPMiddleware, dispatch=pass_on)
    if order == "around":
        app.add_middleware(RequestCancelationMiddleware)
    assert_stops(app, kind, journal)


@each_server
def test_long_endpoint_stops_alone_with_base_http_middleware(kind: str) -> None:
    """So it does without our middleware inside `BaseHTTPMiddleware`."""
    journal = Journal()
    app = make_app(journal, middleware=False)
    app.add_middleware(BaseHTTPMiddleware, dispatch=pass_on)
    assert_stops(app, kind, journal)


@each_server
@with_and_without
def test_body_arrives_whole(kind: str, middleware: bool) -> None:
    """A body of 1 MB, read in pieces by an endpoint that looks first and sleeps in between, arrives whole."""
    with serving(make_app(Journal(), middleware=middleware), kind) as server:
        client = server.connect()
        client.start_post("/digest")
        for piece in PIECES:
            client.chunk(piece)
            time.sleep(0.005)
        client.chunk(b"")
        assert client.response() == (200, f'"{DIGEST}"'.encode())


@each_server
@with_and_without
@pytest.mark.parametrize("pieces", [1, 10])
def test_upload_stops(kind: str, middleware: bool, pieces: int) -> None:
    """A client that dies in the midst of its upload, or at its end, ends the endpoint within 0.2 s."""
    journal = Journal()
    with serving(make_app(journal, middleware=middleware), kind) as server:
        client = server.connect()
        client.start_post("/digest")
        for piece in PIECES[:pieces]:
            client.chunk(piece)
        journal.when("piece")
        while time.monotonic() - journal.when("piece") < 0.1:  # until all was read that has come
            time.sleep(0.02)
        gone = client.kill()
        assert journal.when("finally") - gone < 0.2


@each_server
def test_connection_that_stays_alive(kind: str) -> None:
    """On one connection, requests follow each other, and none is cancelled because the one before has ended."""
    app, reasons = FastAPI(), list[Any]()
    app.add_middleware(RequestCancelationMiddleware)

    @app.get("/quick")
    async def quick(operation: Operation, tasks: BackgroundTasks) -> str:
        tasks.add_task(after, operation)
        async with operation:
            await anyio.sleep(0.001)
        return "quick"

    async def after(before: Cancelable) -> None:
        async with Cancelable() as operation:
            await anyio.sleep(0.01)
        reasons.extend([before.context.cancel_reason, operation.context.cancel_reason])

    with serving(app, kind) as server:
        client = server.connect()
        for _ in range(5):
            client.get("/quick")
            assert client.response() == (200, b'"quick"')
    assert reasons == [None] * 10


@each_server
def test_background_task_survives(kind: str) -> None:
    """A client that leaves right after the response ends no background task."""
    app, journal = FastAPI(), Journal()
    app.add_middleware(RequestCancelationMiddleware)

    async def work() -> None:
        async with Cancelable() as operation:
            journal.note("working")
            await anyio.sleep(0.2)
        journal.note("worked", operation.cancel_requested)

    @app.get("/")
    async def endpoint(operation: Operation, tasks: BackgroundTasks) -> str:
        tasks.add_task(work)
        async with operation:
            pass
        return "ok"

    with serving(app, kind) as server:
        client = server.connect()
        client.get("/")
        assert client.response() == (200, b'"ok"')
        client.kill()
        journal.when("working")
        journal.when("worked")
    assert journal.values["worked"] is False


@each_server
def test_continue_is_sent_when_the_app_reads(kind: str) -> None:
    """A client that waits for "100 Continue" gets it when the endpoint reads, and not because somebody watches."""
    app, read = FastAPI(), threading.Event()
    app.add_middleware(RequestCancelationMiddleware)

    @app.post("/")
    async def endpoint(request: Request, operation: Operation) -> int:
        async with operation:
            await anyio.sleep(0.2)
            assert not await request.is_disconnected()
            read.set()
            body = await request.body()
        return len(body)

    with serving(app, kind) as server:
        client = server.connect()
        client.start_post("/", "Expect: 100-continue")
        client.read_until(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert read.is_set()
        client.chunk(b"body")
        client.chunk(b"")
        assert client.response() == (200, b"4")


@each_server
def test_unread_upload_is_held_back(kind: str) -> None:
    """A body that the endpoint does not read stays with the client: the watch takes one message and no more."""
    app, waiting = FastAPI(), Cancelable(move_on=True)
    app.add_middleware(RequestCancelationMiddleware)

    @app.post("/")
    async def endpoint() -> None:
        async with waiting:
            await anyio.sleep(30)

    with serving(app, kind) as server:
        client = server.connect()
        client.start_post("/")
        client.socket.settimeout(0.5)
        sent = 0
        with pytest.raises(TimeoutError):
            while sent < 100_000_000:
                client.chunk(PIECES[0])
                sent += len(PIECES[0])
        waiting.cancel_sync()
    assert sent < 20_000_000


@each_server
def test_handler_answers_for_a_client_that_left(kind: str) -> None:
    """What a handler of the app answers to nobody harms nobody."""
    app, journal = FastAPI(), Journal()
    app.add_middleware(RequestCancelationMiddleware)

    @app.exception_handler(DisconnectCancelation)
    async def handle(request: Request, error: DisconnectCancelation) -> Response:
        journal.note("ended", error.reason)
        return Response(status_code=499)

    @app.get("/long")
    async def long(operation: Operation) -> None:
        async with operation:
            journal.note("started")
            try:
                await anyio.sleep(30)
            finally:
                journal.note("finally")

    assert_stops(app, kind, journal)
