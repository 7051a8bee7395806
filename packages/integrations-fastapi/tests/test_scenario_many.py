"""What outlives its request does so on every server, and what does not leaves nothing behind."""

import asyncio
import threading
from typing import Annotated, Any

import anyio
import pytest
from fastapi import BackgroundTasks, Depends, FastAPI, Request
from fastapi.responses import JSONResponse

from hother.cancelable import Cancelable, CancelationToken, TimeoutCancelation
from hother.cancelable.integrations.fastapi import (
    RequestCancelationMiddleware,
    cancelable_dependency,
    get_request_token,
)

from .hand_made import make_app, with_and_without
from .serving import Client, Journal, each_server, every_server, serving

pytestmark = pytest.mark.server

Operation = Annotated[Cancelable, Depends(cancelable_dependency)]


async def at_most_half_a_second(request: Request) -> Cancelable:
    """Give an operation that would not live as long as the background task."""
    return await cancelable_dependency(request, timeout=0.5)


Limited = Annotated[Cancelable, Depends(at_most_half_a_second)]


def make_app_with_tasks(journal: Journal, *, middleware: bool) -> FastAPI:
    """Return an app whose endpoints start a background task of 1 s; the middleware allows a request half of that."""
    app = FastAPI()
    if middleware:
        app.add_middleware(RequestCancelationMiddleware, default_timeout=0.5)

    async def work(name: str, *tokens: CancelationToken) -> None:
        async with Cancelable() as own:
            journal.note(f"{name} working")
            await anyio.sleep(1)
        journal.note(f"{name} worked", [token.is_cancelled for token in (*tokens, own.token)])

    async def endpoint(name: str, request: Request, operation: Operation, tasks: BackgroundTasks) -> str:
        async with operation:
            if name != "next":
                tasks.add_task(work, name, get_request_token(request), operation.token)
        return name

    @app.get("/limited/{name}")
    async def limited(name: str, request: Request, operation: Limited, tasks: BackgroundTasks) -> str:
        return await endpoint(name, request, operation, tasks)

    app.get("/{name}")(endpoint)
    return app


@every_server
@with_and_without
def test_background_task_finishes(kind: str, middleware: bool) -> None:
    """A background task of 1 s outlives a timeout of 0.5 s, a client that leaves, and one that goes on asking."""
    journal = Journal()
    with serving(make_app_with_tasks(journal, middleware=middleware), kind) as server:
        names = [f"{name}-{number}" for name in ("stays", "closes", "dies", "asks") for number in "12"]
        clients = {name: server.connect() for name in names}
        for name, client in clients.items():
            assert ask(client, f"/limited/{name}" if name.endswith("2") else f"/{name}") == (200, f'"{name}"'.encode())
        for number in "12":
            clients[f"closes-{number}"].close()
            clients[f"dies-{number}"].kill()
            assert ask(clients[f"asks-{number}"], "/next") == (200, b'"next"')
        for name in clients:
            assert journal.when(f"{name} worked") - journal.when(f"{name} working") > 0.99
            assert journal.values[f"{name} worked"] == [False] * 3


@each_server
@with_and_without
def test_100_requests_on_one_connection(kind: str, middleware: bool) -> None:
    """Of 100 requests every third ends by its own timeout; each answer is right, and no task or thread is left."""
    app = make_app(middleware=middleware)

    @app.exception_handler(TimeoutCancelation)
    async def answer_timeout(request: Request, error: TimeoutCancelation) -> JSONResponse:
        return JSONResponse(f"timeout of {request.url.path}", 504)

    @app.get("/work/{number}")
    async def work(number: int, operation: Operation) -> str:
        async with operation, Cancelable.with_timeout(0.02 if number % 3 == 0 else 20):
            await anyio.sleep(30 if number % 3 == 0 else 0.001)
        return f"worked on {number}"

    @app.get("/count")
    async def count() -> Any:
        return len(asyncio.all_tasks()), threading.active_count()

    with serving(app, kind) as server:
        client = server.connect()
        before = ask(client, "/count")
        for number in range(1, 101):
            if number % 3 == 0:
                assert ask(client, f"/work/{number}") == (504, f'"timeout of /work/{number}"'.encode())
            else:
                assert ask(client, f"/work/{number}") == (200, f'"worked on {number}"'.encode())
        assert any(ask(client, "/count") == before for _ in range(100))  # the request before may still be ending


def ask(client: Client, path: str) -> tuple[int, bytes]:
    """Return the answer to a request."""
    client.get(path)
    return client.response()
