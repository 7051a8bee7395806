"""When the client leaves, on every server: what waits is cancelled, and what must be completed is."""

import socket
import time
from collections.abc import AsyncGenerator
from typing import Annotated

import anyio
import pytest
from fastapi import Depends, FastAPI, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hother.cancelable import Cancelable, CancelationReason, OperationContext
from hother.cancelable.integrations.fastapi import cancelable_dependency, get_request_token

from .hand_made import make_app, with_and_without
from .serving import Client, Journal, Server, each_server, every_server, quickest, serving

pytestmark = pytest.mark.server

Operation = Annotated[Cancelable, Depends(cancelable_dependency)]
SOON = 0.2


class Recorded:
    """An app, and all that it sends in answer to requests."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.sent: list[Message] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def record(message: Message) -> None:
            if scope["type"] == "http":
                self.sent.append(message)
            await send(message)

        await self._app(scope, receive, record)


def make_waiting_app(journal: Journal, *, middleware: bool) -> FastAPI:
    """Return an app with an endpoint that waits for long, with a resource to give back."""
    app = make_app(middleware=middleware)

    async def resource(name: str) -> AsyncGenerator[str]:
        try:
            yield name
        finally:
            journal.note(f"{name} gives back")
            await anyio.sleep(0.2)
            journal.note(f"{name} gave back")

    @app.get("/long/{name}")
    async def long(name: Annotated[str, Depends(resource)], operation: Operation) -> None:
        async with operation:
            journal.note(f"{name} started")
            try:
                await anyio.sleep(30)
            finally:
                journal.note(f"{name} cancelled")

    return app


def time_to_cancel(server: Server, journal: Journal, name: str) -> float:
    """Return how long after its clients have left the slower one of two requests ends, in seconds."""
    clients: list[tuple[str, Client]] = []
    for each in (f"closed-{name}", f"killed-{name}"):
        clients.append((each, server.connect()))
        clients[-1][1].get(f"/long/{each}")
        journal.when(f"{each} started")
    time.sleep(0.3)
    assert not any(f"{each} cancelled" in journal for each, _ in clients)
    taken = list[float]()
    for each, client in clients:
        gone = client.close() if each.startswith("closed") else client.kill()
        taken.append(journal.when(f"{each} cancelled") - gone)
        assert journal.when(f"{each} gave back") - journal.when(f"{each} gives back") > 0.19
    return max(taken)


@every_server
@with_and_without
def test_waiting_endpoint_is_cancelled(kind: str, middleware: bool) -> None:
    """An endpoint that never reads ends within 0.2 s, its dependency cleans up, and nothing is sent or logged."""
    journal = Journal()
    app = Recorded(make_waiting_app(journal, middleware=middleware))
    with serving(app, kind) as server:
        assert quickest(lambda name: time_to_cancel(server, journal, name), SOON) < SOON
    assert app.sent == []


@every_server
@with_and_without
def test_no_byte_is_sent(kind: str, middleware: bool) -> None:
    """A client that ends its own half of the connection, which servers take for leaving, reads the end and no byte."""
    journal = Journal()
    with serving(make_waiting_app(journal, middleware=middleware), kind) as server:
        client = server.connect()
        client.get("/long/half")
        journal.when("half started")
        client.socket.shutdown(socket.SHUT_WR)
        journal.when("half gave back")
        assert client.socket.recv(1000) == b""


@each_server
@with_and_without
def test_transaction_is_committed_first(kind: str, middleware: bool) -> None:
    """A shielded transaction (0.5 s) is committed though the client leaves, then the operation ends, its hooks once."""
    app, journal, hooks = make_app(middleware=middleware), Journal(), list[OperationContext]()

    async def hook(context: OperationContext) -> None:
        await anyio.sleep(0.01)
        hooks.append(context)
        journal.note("hook")

    @app.get("/pay")
    async def pay(request: Request, operation: Operation) -> None:
        get_request_token(request).on_cancel(lambda _: journal.note("left"))
        async with operation.on_cancel(hook):
            try:
                async with operation.shield():
                    journal.note("begun")
                    await anyio.sleep(0.5)
                    journal.note("committed")
                journal.note("went on")
                await anyio.sleep(30)
            finally:
                journal.note("ended")

    with serving(app, kind) as server:
        client = server.connect()
        client.get("/pay")
        journal.when("begun")
        client.kill()
        journal.when("hook")
    assert (
        journal.when("begun")
        <= journal.when("left")
        < journal.when("committed")
        <= journal.when("ended")
        < journal.when("hook")
    )
    assert journal.when("committed") - journal.when("begun") > 0.49
    assert "went on" not in journal
    assert [context.cancel_reason for context in hooks] == [CancelationReason.DISCONNECT]
