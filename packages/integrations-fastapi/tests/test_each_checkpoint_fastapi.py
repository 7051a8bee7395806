"""Each public async function and context manager of the package, cancelled at each of its suspension points."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Annotated, Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from fastapi import Depends, FastAPI, WebSocket
from starlette.types import Receive, Scope, Send

from hother.cancelable import Cancelable
from hother.cancelable.integrations.fastapi import (
    BackgroundJobs,
    CancelableWebSocket,
    GracefulShutdown,
    RequestCancelationMiddleware,
    add_cancelation_handlers,
    cancelable_dependency,
    cancelable_streaming_response,
    cancelable_within,
    with_cancelation,
)
from hother.cancelable.testing import cancel_at_each_checkpoint

from .hand_made import NO_BODY, Channel, piece

Function = Callable[[], Awaitable[object]]


def app() -> FastAPI:
    """Return an app that uses what the package offers."""
    app = FastAPI()
    app.add_middleware(RequestCancelationMiddleware, default_timeout=60)
    add_cancelation_handlers(app)

    @app.get("/dependency")
    async def dependency(cancel: Annotated[Cancelable, Depends(cancelable_dependency)]) -> str:
        await checkpoint()
        return "done"

    @app.get("/within")
    async def within(cancel: Annotated[Cancelable, Depends(cancelable_within(60))]) -> str:
        async with Cancelable():
            await checkpoint()
        return "done"

    @app.get("/decorated")
    @with_cancelation(timeout=60)
    async def decorated() -> str:
        await checkpoint()
        return "done"

    @app.post("/upload")
    async def upload(data: dict[str, int]) -> int:
        await checkpoint()
        return data["a"]

    @app.get("/stream")
    async def stream() -> Any:
        return cancelable_streaming_response(pieces(), Cancelable.with_timeout(60))

    @app.websocket("/echo")
    async def echo(websocket: WebSocket) -> None:
        ws = CancelableWebSocket(websocket)
        await ws.accept()
        await ws.send_text(await ws.receive_text())
        await ws.send_json(await ws.receive_json())
        await ws.send_bytes(b"bye")
        await ws.close()

    return app


async def pieces() -> AsyncGenerator[str, None]:
    """Yield two pieces."""
    for text in ("one", "two"):
        await checkpoint()
        yield text


class Turns(Channel):
    """A server that takes a turn for each message."""

    async def send(self, message: Any) -> None:
        await checkpoint()
        await super().send(message)


APP = app()


def request(path: str, *messages: Any, **scope: Any) -> Function:
    """Return a function that serves one request."""

    async def serve() -> None:
        channel = Turns(*(messages or (NO_BODY,)), path=path, **scope)
        await APP(channel.scope, channel.receive, channel.send)
        assert channel.sent

    serve.__qualname__ = serve.__name__ = path.strip("/")
    return serve


WORDS = [{"type": "websocket.receive", "text": text} for text in ("hello", '{"a": 1}')]
POST = {"method": "POST", "headers": [(b"content-type", b"application/json")]}

REQUESTS: list[Function] = [
    request("/dependency"),
    request("/within"),
    request("/decorated"),
    request("/upload", piece(b'{"a"'), piece(b": 1}", more=False), **POST),
    request("/stream"),
]


@pytest.mark.parametrize("serve", REQUESTS, ids=lambda serve: serve.__name__)
async def test_a_request_survives_cancellation_everywhere(serve: Function) -> None:
    """Nothing is left behind, swallowed, or turned into another exception, at whichever point and in whichever way."""
    done = await cancel_at_each_checkpoint(serve)
    assert done.points >= 2


@pytest.mark.virtual_time
async def test_a_websocket_survives_cancellation_everywhere() -> None:
    """The same for a WebSocket, on a clock on which waiting for the peer to close takes no time."""
    done = await cancel_at_each_checkpoint(request("/echo", {"type": "websocket.connect"}, *WORDS, kind="websocket"))
    assert done.points >= 4


async def test_jobs_survive_cancellation_everywhere() -> None:
    """Jobs that others start, cancel and wait for."""

    async def work() -> None:
        await anyio.sleep_forever()

    async def use() -> None:
        jobs = BackgroundJobs()
        job = jobs.start(work)
        try:
            await checkpoint()
        finally:
            with anyio.CancelScope(shield=True):
                status = await jobs.cancel(job, "enough", wait=60)
                assert status.has_ended

    await cancel_at_each_checkpoint(use, ways=["token", "timeout"])


async def test_a_lifespan_survives_cancellation_everywhere() -> None:
    """A graceful shutdown listens to signals while the app is served, and no longer."""

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        await checkpoint()

    async def use() -> None:
        shutdown = GracefulShutdown()
        RequestCancelationMiddleware(respond, shutdown=shutdown)
        async with shutdown.lifespan():
            await checkpoint()
            shutdown.begin_shutdown()
            await checkpoint()

    await cancel_at_each_checkpoint(use)
