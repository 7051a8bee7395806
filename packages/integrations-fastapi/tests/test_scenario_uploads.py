"""Uploads, on every server: each byte arrives, and what nobody reads stays with the client."""

import hashlib
import json
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any

import anyio
import pytest
from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import Response

from hother.cancelable import Cancelable
from hother.cancelable.integrations.fastapi import RequestCancelationMiddleware, cancelable_dependency

from .hand_made import make_app, with_and_without
from .serving import Client, Journal, Server, each_server, every_server, serving

pytestmark = pytest.mark.server

Operation = Annotated[Cancelable, Depends(cancelable_dependency)]
PIECES = [bytes([number]) * 104_858 for number in range(10)]
DIGEST = hashlib.sha256(b"".join(PIECES)).hexdigest()
MEGABYTE = 1_000_000
BIG = 200 * MEGABYTE


def add_digest(app: FastAPI) -> None:
    """Add an endpoint that reads its body slowly and, if told to, asks first whether the client is still there."""

    @app.post("/digest")
    async def digest(request: Request, operation: Operation, look: bool = False) -> str:
        found = hashlib.sha256()
        async with operation:
            if look:
                assert not await request.is_disconnected()
            await anyio.sleep(0.001)
            async for piece in request.stream():
                found.update(piece)
                await anyio.sleep(0.001)
        return found.hexdigest()


def upload(server: Server, times: int) -> list[tuple[int, bytes]]:
    """Upload 1 MB in 10 pieces, some times over on each of eight connections, and return the answers."""

    def upload_over(client: Client) -> list[tuple[int, bytes]]:
        answers = list[tuple[int, bytes]]()
        for number in range(times):
            client.start_post("/digest?look=true" if number % 2 else "/digest")
            for piece in PIECES:
                client.chunk(piece)
            client.chunk(b"")
            answers.append(client.response())
        return answers

    with ThreadPoolExecutor(8) as pool:
        return [answer for each in pool.map(upload_over, [server.connect() for _ in range(8)]) for answer in each]


async def pass_on(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Do what a middleware of `@app.middleware("http")` does."""
    return await call_next(request)


@every_server
@with_and_without
def test_200_bodies_arrive_whole(kind: str, middleware: bool) -> None:
    """A body of 1 MB, of which nothing is read before the endpoint has slept, and looked, arrives whole each time."""
    app = make_app(middleware=middleware)
    add_digest(app)
    with serving(app, kind) as server:
        assert upload(server, 25) == [(200, f'"{DIGEST}"'.encode())] * 200


# Older versions of Starlette leave a generator behind for each message that they read here, which trio reports.
@pytest.mark.filterwarnings("ignore:Async generator 'starlette.requests.Request.stream':ResourceWarning")
@every_server
@pytest.mark.parametrize("order", ["around", "inside", "alone"])
def test_bodies_arrive_whole_with_base_http_middleware(kind: str, order: str) -> None:
    """So it does with a middleware of Starlette's `BaseHTTPMiddleware`, and ours around it, inside it, or nowhere."""
    app = make_app(middleware=order == "inside")
    app.add_middleware(BaseHTTPMiddleware, dispatch=pass_on)
    if order == "around":
        app.add_middleware(RequestCancelationMiddleware)
    add_digest(app)
    with serving(app, kind) as server:
        assert upload(server, 5) == [(200, f'"{DIGEST}"'.encode())] * 40


@each_server
@with_and_without
def test_memory_of_a_big_upload(kind: str, middleware: bool) -> None:
    """While the endpoint sleeps, 200 MB of upload take under 20 MB of memory, and the client cannot send on."""
    app, journal = make_app(middleware=middleware), Journal()
    process: Any = pytest.importorskip("psutil").Process()

    @app.post("/")
    async def endpoint(request: Request, operation: Operation) -> Any:
        before, grown, size = process.memory_info().rss, 0, 0
        async with operation:
            for _ in range(15):
                await anyio.sleep(0.1)
                grown = max(grown, process.memory_info().rss - before)
            journal.note("reads")
            async for piece in request.stream():
                size += len(piece)
        return {"grown": grown, "size": size}

    with serving(app, kind) as server:
        client = server.connect()
        piece, sent_before = bytes(MEGABYTE), 0
        client.start_post("/")
        for _ in range(200):
            client.chunk(piece)
            sent_before += 0 if "reads" in journal else MEGABYTE
        client.chunk(b"")
        status, body = client.response()
    assert status == 200
    answer = json.loads(body)
    assert answer["size"] == BIG
    assert answer["grown"] < 20 * MEGABYTE
    assert sent_before < 20 * MEGABYTE


@each_server
@with_and_without
def test_answer_without_the_body(kind: str, middleware: bool) -> None:
    """Where the headers are enough to refuse, a client that waits for "100 Continue" gets the 413 at once."""
    app = make_app(middleware=middleware)

    @app.post("/")
    async def endpoint(request: Request, operation: Operation) -> Response:
        async with operation:
            await anyio.sleep(0.1)  # long enough for a watch that reads too early
        return JSONResponse("too large", 413 if int(request.headers["x-size"]) > MEGABYTE else 200)

    with serving(app, kind) as server:
        client = server.connect()
        client.start_post("/", "Expect: 100-continue", f"X-Size: {BIG}")
        assert client.read_until(b"\r\n").startswith(b"HTTP/1.1 413 ")
