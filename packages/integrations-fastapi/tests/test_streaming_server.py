"""Scenario 9: with a real server, the source of a stream is closed when its client leaves."""

from __future__ import annotations

import gc
import time
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import anyio
import pytest
from fastapi import Depends, FastAPI
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import StreamingResponse

from hother.cancelable import Cancelable, CancelationReason, current_operation
from hother.cancelable.integrations.fastapi import (
    RequestCancelationMiddleware,
    cancelable_dependency,
    cancelable_streaming_response,
)

from .hand_made import make_app, with_and_without
from .serving import Journal, Server, each_server, every_server, serving

pytestmark = pytest.mark.server

Operation = Annotated[Cancelable, Depends(cancelable_dependency)]


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    """Switch the garbage collector off: nothing may be left to it."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def add_routes(app: FastAPI, journal: Journal) -> None:  # noqa: C901 - one stream of each kind
    """Add a stream of each kind."""

    async def source(pause: float) -> AsyncIterator[str]:
        try:
            while True:
                yield "data: x\n\n"
                await anyio.sleep(pause)
        finally:
            journal.note("finally")
            await anyio.sleep(0.1)
            journal.note("closed")

    def sync_source(pause: float) -> Iterator[str]:
        try:
            while True:
                yield "data: x\n\n"
                operation = current_operation()
                assert operation is not None
                for _ in range(int(pause / 0.02) + 1):
                    operation.check()
                    time.sleep(0.02)
        finally:
            journal.note("finally")
            journal.note("closed")

    @app.get("/async")
    async def stream(pause: float) -> Any:
        return cancelable_streaming_response(source(pause))

    @app.get("/awaited")
    async def awaited(pause: float, cancel: Operation) -> Any:
        return await cancelable_streaming_response(source(pause), cancel, media_type="text/event-stream")

    @app.get("/sync")
    def sync(pause: float) -> Any:
        return cancelable_streaming_response(sync_source(pause))

    @app.get("/nested")
    async def nested(pause: float) -> Any:
        async def generate() -> AsyncIterator[str]:
            async with Cancelable(name="stream"):
                try:
                    while True:
                        yield "data: x\n\n"
                        await anyio.sleep(pause)
                finally:
                    journal.note("finally")
                    await anyio.sleep(0.1)
                    journal.note("closed")

        return cancelable_streaming_response(generate())


def leave_and_wait(server: Server, journal: Journal, path: str) -> float:
    """Read the first item, leave, and return how long the source took to hear of it."""
    client = server.connect()
    client.get(path)
    client.read_until(b"data: x")
    killed = client.kill()
    journal.when("closed")
    return journal.when("finally") - killed


@each_server
@with_and_without
@pytest.mark.parametrize("path", ["/async", "/awaited", "/sync", "/nested"])
@pytest.mark.parametrize("pause", [0.01, 30])
def test_source_is_closed(kind: str, middleware: bool, path: str, pause: float) -> None:
    """A busy and an idle stream hear at once that the client left, and their clean-up completes; nothing is logged."""
    app, journal = make_app(middleware=middleware), Journal()
    add_routes(app, journal)
    with serving(app, kind) as server:
        took = leave_and_wait(server, journal, f"{path}?pause={pause}")
    assert took < (0.2 if pause == 30 else 0.5)


@every_server
@with_and_without
@pytest.mark.parametrize("path", ["/async", "/sync"])
def test_every_server(kind: str, middleware: bool, path: str) -> None:
    """An idle stream ends with its client on every server."""
    app, journal = make_app(middleware=middleware), Journal()
    add_routes(app, journal)
    with serving(app, kind) as server:
        assert leave_and_wait(server, journal, f"{path}?pause=30") < 0.5


@each_server
@pytest.mark.parametrize("pause", [0.01, 30])
def test_stream_of_fastapi(kind: str, pause: float) -> None:
    """FastAPI's own event streams end with their clients behind the middleware, as they do without."""
    app, journal = make_app(middleware=True), Journal()

    @app.get("/fastapi", response_class=EventSourceResponse)
    async def own() -> AsyncIterator[ServerSentEvent]:
        try:
            while True:
                yield ServerSentEvent(raw_data="x")
                await anyio.sleep(pause)
        finally:
            journal.note("finally")
            journal.note("closed")

    with serving(app, kind) as server:
        assert leave_and_wait(server, journal, "/fastapi") < 0.5


@each_server
@with_and_without
def test_stream_in_other_middleware(kind: str, middleware: bool) -> None:
    """A stream below `@app.middleware("http")` ends with its client, too, with its clean-up."""
    app, journal = FastAPI(), Journal()
    add_routes(app, journal)
    app.add_middleware(BaseHTTPMiddleware, dispatch=lambda request, call_next: call_next(request))
    if middleware:
        app.add_middleware(RequestCancelationMiddleware)
    with serving(app, kind) as server:
        assert leave_and_wait(server, journal, "/async?pause=30") < 0.5


@each_server
def test_plain_streaming_response(kind: str) -> None:
    """Starlette's own streams with an operation in the generator end with the client behind the middleware."""
    app, journal = make_app(middleware=True), Journal()

    @app.get("/")
    async def stream() -> Any:
        async def generate() -> AsyncIterator[str]:
            try:
                async with Cancelable():
                    yield "data: x\n\n"
                    await anyio.sleep(30)
            finally:
                journal.note("finally")
                journal.note("closed")

        return StreamingResponse(generate())

    with serving(app, kind) as server:
        assert leave_and_wait(server, journal, "/") < 0.5


@each_server
@with_and_without
def test_reason_is_on_record(kind: str, middleware: bool) -> None:
    """The operation that was given has ended because the client left."""
    app, journal = make_app(middleware=middleware), Journal()

    @app.get("/")
    async def stream(cancel: Operation) -> Any:
        cancel.on_cancel(lambda context: journal.note("cancelled", context.cancel_reason))

        def generate() -> Iterator[str]:
            yield "data: x\n\n"
            while (operation := current_operation()) is not None:
                operation.check()
                time.sleep(0.01)

        return cancelable_streaming_response(generate(), cancel)

    with serving(app, kind) as server:
        client = server.connect()
        client.get("/")
        client.read_until(b"data: x")
        killed = client.kill()
        assert journal.when("cancelled") - killed < 0.5
    assert journal.values["cancelled"] is CancelationReason.DISCONNECT
