"""The stream of events from a real server: clients that are cut off, that leave, and a server that shuts down."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from hother.cancelable import Cancelable, CancelationReason, CancelationToken
from hother.cancelable.core import ambient_token
from hother.cancelable.integrations.fastapi import RequestCancelationMiddleware

pytest.importorskip("hother.cancelable.registry", reason="hother-cancelable-registry is not installed")

from hother.cancelable.registry import OperationRegistry

from .operations_app import api
from .operations_events import Told, event_of
from .serving import Client, Server, each_server, serving

pytestmark = pytest.mark.server


class Browser:
    """Reads the stream as an `EventSource` does, and comes back with the id of the last event."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._client: Client | None = None
        self.last: str | None = None
        self.seen: list[Told] = []

    def connect(self) -> Told:
        """Connect, or connect again, and return the first event."""
        self._client = self._server.connect()
        resume = "" if self.last is None else f"Last-Event-ID: {self.last}\r\n"
        self._client.send(f"GET /events HTTP/1.1\r\nHost: test\r\n{resume}\r\n".encode())
        head = self._client.read_until(b"\r\n\r\n").decode().lower()
        assert "200 ok" in head
        assert "content-type: text/event-stream" in head
        assert "cache-control: no-cache" in head
        assert "x-accel-buffering: no" in head
        return self.next()

    def next(self) -> Told:
        """Return the next event."""
        assert self._client is not None
        block = self._client.read_until(b"\n\n").replace(b"\r\n", b"\n").strip(b"\n")
        lines = [line for line in block.decode().split("\n") if ": " in line]  # the others frame the chunks
        told = event_of("\n".join(lines))
        self.last = told.id
        return told

    def read_until_finished(self, name: str) -> None:
        """Read on until an operation has finished."""
        while not self.seen or (self.seen[-1].kind, self.seen[-1].name) != ("finished", name):
            self.seen.append(self.next())

    def cut(self) -> None:
        """Lose the connection."""
        assert self._client is not None
        self._client.kill()


def app_with_jobs(registry: OperationRegistry) -> FastAPI:
    """Return an app whose operations are made by a request."""
    app = api(registry)

    @app.get("/job")
    async def job(name: str) -> str:
        operation = Cancelable(name=name)
        await registry.register(operation)
        async with operation:
            return name

    return app


def do(server: Server, name: str) -> None:
    """Have the server do a job."""
    client = server.connect()
    client.get(f"/job?name={name}")
    assert client.response()[0] == 200


@each_server
def test_one_of_three_is_cut_off(kind: str) -> None:
    """Three clients see every event once and in order, also the one that was away for a while."""
    registry = OperationRegistry()
    with serving(app_with_jobs(registry), kind) as server:
        browsers = [Browser(server) for _ in range(3)]
        assert [each.connect().kind for each in browsers] == ["ready"] * 3
        do(server, "1")
        for each in browsers:
            each.read_until_finished("1")
        browsers[0].cut()
        for number in range(2, 40):
            do(server, str(number))
        first = browsers[0].connect()
        assert (first.kind, first.data) == ("ready", {"resumed": True})
        do(server, "40")
        for each in browsers:
            each.read_until_finished("40")
        seen = [[(told.kind, told.name) for told in each.seen] for each in browsers]
    expected = [(kind_, str(number)) for number in range(1, 41) for kind_ in ("started", "finished")]
    assert seen == [expected] * 3


@each_server
@pytest.mark.parametrize("with_middleware", [True, False])
def test_a_client_that_leaves(kind: str, with_middleware: bool) -> None:
    """When a client has left its stream ends at once, and leaves nothing behind."""
    registry = OperationRegistry()
    app: Any = app_with_jobs(registry)
    if with_middleware:
        app.add_middleware(RequestCancelationMiddleware)
    ended = threading.Event()

    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        finally:
            if scope["path"] == "/events":
                ended.set()

    with serving(watched, kind) as server:
        browser = Browser(server)
        browser.connect()
        browser.cut()
        assert ended.wait(5), "the stream goes on"
        do(server, "1")
        assert registry.engine.tracker.feed._wakers == {}


@each_server
def test_a_server_that_shuts_down(kind: str) -> None:
    """Streams whose requests are told to end do so at once and whole, so that the server can go."""
    registry, token = OperationRegistry(), CancelationToken()
    app = app_with_jobs(registry)

    async def with_token(scope: Scope, receive: Receive, send: Send) -> None:
        with ambient_token(lambda: token):
            await app(scope, receive, send)

    with serving(with_token, kind) as server:
        clients = [server.connect() for _ in range(3)]
        for client in clients:
            client.get("/events")
            client.read_until(b"\n\n")
        began = time.monotonic()
        token.cancel_sync(CancelationReason.SHUTDOWN)
        for client in clients:
            client.read_until(b"0\r\n\r\n")
        assert time.monotonic() - began < 5
