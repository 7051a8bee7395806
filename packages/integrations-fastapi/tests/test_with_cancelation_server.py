"""`with_cancelation` on real servers: endpoints stop when their client leaves, and clients hear of the rest."""

import contextlib
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anyio
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from hother.cancelable import CancelationReason, current_operation
from hother.cancelable.integrations.fastapi import add_cancelation_handlers, with_cancelation

from .generators import ROUTES, each_route
from .hand_made import make_app, with_and_without
from .serving import Journal, Server, each_server, every_server, quickest, serving

pytestmark = pytest.mark.server

SOON = 0.2


def noting_scope(app: ASGIApp, journal: Journal) -> ASGIApp:
    """Return an app around another one, which notes the status for metrics when a request is over."""

    async def around(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        finally:
            if scope["type"] == "http":
                journal.note("over", scope.get("hother.cancelable.status"))

    return around


def reason_here() -> CancelationReason | None:
    """Return why the operation that runs here was cancelled."""
    operation = current_operation()
    return None if operation is None or operation.token.cause is None else operation.token.cause.reason


@every_server
@with_and_without
def test_endpoint_stops(kind: str, middleware: bool) -> None:
    """A decorated endpoint stops soon after the client is gone; nothing is logged, and 499 is there for metrics."""
    app, journal = make_app(middleware=middleware), Journal()
    add_cancelation_handlers(app)

    @app.get("/")
    @with_cancelation(timeout=60)
    async def endpoint() -> None:
        journal.note("started")
        try:
            await anyio.sleep(30)
        finally:
            journal.note("finally")

    with serving(noting_scope(app, journal), kind) as server:
        client = server.connect()
        client.get("/")
        journal.when("started")
        gone = client.kill()
        assert journal.when("finally") - gone < SOON
        journal.when("over")
    assert journal.values["over"] == 499


@every_server
@with_and_without
def test_client_hears_of_a_timeout(kind: str, middleware: bool) -> None:
    """A timeout is a 504, also twice on one connection, and a faster request after it is answered as ever."""
    app = make_app(middleware=middleware)

    @app.get("/{seconds}")
    @with_cancelation(timeout=0.1)
    async def endpoint(seconds: float) -> str:
        await anyio.sleep(seconds)
        return "done"

    with serving(app, kind) as server:
        client = server.connect()
        for seconds, status, body in [
            ("30", 504, b'{"detail":"The request took too long"}'),
            ("0", 200, b'"done"'),
        ] * 2:
            client.get(f"/{seconds}")
            assert client.response() == (status, body)


@every_server
@with_and_without
def test_thread_is_free(kind: str, middleware: bool) -> None:
    """A plain endpoint that goes on checking has left its thread within 0.2 s of its client leaving."""

    def leave_once(_: str) -> float:
        app, journal = make_app(middleware=middleware), Journal()

        @app.get("/")
        @with_cancelation
        def endpoint() -> None:
            operation = current_operation()
            assert operation is not None
            journal.note("started")
            try:
                while True:
                    operation.check()
                    time.sleep(0.005)
            finally:
                journal.note("free", reason_here())

        with serving(app, kind) as server:
            client = server.connect()
            client.get("/")
            journal.when("started")
            gone = client.kill()
            took = journal.when("free") - gone
        assert journal.values["free"] is CancelationReason.DISCONNECT
        return took

    assert quickest(leave_once, SOON) < SOON


@each_server
@with_and_without
def test_thread_that_does_not_check(kind: str, middleware: bool) -> None:
    """One that does not check is waited for, not abandoned; its result is dropped when it comes back."""
    app, journal, go_on = make_app(middleware=middleware), Journal(), threading.Event()

    @app.get("/")
    @with_cancelation
    def endpoint() -> str:
        journal.note("started")
        go_on.wait(10)
        journal.note("returned")
        return "dropped"

    with serving(noting_scope(app, journal), kind) as server:
        client = server.connect()
        client.get("/")
        journal.when("started")
        client.kill()
        time.sleep(0.3)  # nothing must happen
        assert "over" not in journal
        go_on.set()
        assert journal.when("over") >= journal.when("returned")
    assert journal.values["over"] == 499


def noting_generators(journal: Journal) -> dict[str, Callable[..., Any]]:
    """Return generators of both kinds that note their end."""

    async def on_the_loop() -> AsyncIterator[str]:
        try:
            yield "one"
            journal.note("waiting")
            await anyio.sleep(30)
        finally:
            journal.note("finally")

    def in_thread() -> Iterator[str]:
        operation = current_operation()
        assert operation is not None
        try:
            yield "one"
            journal.note("waiting")
            while True:
                operation.check()
                time.sleep(0.005)
        finally:
            journal.note("finally", threading.current_thread().name)

    return {"on the loop": on_the_loop, "in a thread": in_thread}


@every_server
@each_route
@pytest.mark.parametrize("name", ["on the loop", "in a thread"])
@with_and_without
def test_stream_stops(kind: str, route: str, name: str, middleware: bool) -> None:
    """A generator's `finally` has run soon after the client is gone; nothing is logged."""

    def leave_once(_: str) -> float:
        app, journal = make_app(middleware=middleware), Journal()
        app.get("/", **ROUTES[route])(with_cancelation(noting_generators(journal)[name]))
        with serving(app, kind) as server:
            client = server.connect()
            client.get("/")
            client.read_until(b"one")
            journal.when("waiting")
            gone = client.kill()
            return journal.when("finally") - gone

    assert quickest(leave_once, 0.5) < 0.5


@every_server
@pytest.mark.parametrize("name", ["on the loop", "in a thread"])
@with_and_without
def test_event_stream_that_takes_too_long(kind: str, name: str, middleware: bool) -> None:
    """An event stream ends with an event that says why, and the connection goes on."""
    app, journal = make_app(middleware=middleware), Journal()
    app.get("/", **ROUTES["sse"])(with_cancelation(timeout=0.5)(noting_generators(journal)[name]))
    with serving(app, kind) as server:
        client = server.connect()
        for _ in range(2):
            client.get("/")
            stream = client.read_until(b"\r\n0\r\n\r\n")
            assert b"event: cancelled" in stream
            assert b'"reason": "timeout"' in stream


def assert_is_cut(server: Server) -> None:
    """Check that a client sees that what it got is not the whole."""
    client = server.connect()
    client.get("/")
    received = client.read_until(b"one")
    while data := client.socket.recv(65536):
        received += data
    assert received.startswith(b"HTTP/1.1 200")
    assert not received.endswith(b"0\r\n\r\n")


@every_server
@pytest.mark.parametrize("route", ["jsonl", "raw"])
@pytest.mark.parametrize("name", ["on the loop", "in a thread"])
def test_other_stream_that_takes_too_long(kind: str, route: str, name: str) -> None:
    """Another stream is cut off; behind the middleware no traceback is logged, at most uvicorn's line that it was."""
    app, journal = make_app(middleware=True), Journal()
    app.get("/", **ROUTES[route])(with_cancelation(timeout=0.5)(noting_generators(journal)[name]))
    with contextlib.ExitStack() as stack:
        raised = None
        if kind in ("h11", "httptools"):
            raised = stack.enter_context(pytest.raises(AssertionError, match="returned without completing response"))
        with serving(app, kind) as server:
            assert_is_cut(server)
    assert raised is None or "Traceback" not in str(raised.value)
    journal.when("finally")
