"""What a request leaves for the garbage collector: nothing, so that its passes do not hold up a server under load."""

from __future__ import annotations

import gc
import weakref
from collections.abc import AsyncGenerator, Iterator

import anyio
import pytest
from fastapi import FastAPI, Request
from starlette.responses import Response

from hother.cancelable.integrations.fastapi import (
    cancelable_dependency,
    cancelable_streaming_response,
    get_request_token,
    with_cancelation,
)
from hother.cancelable.integrations.fastapi.monitor import SCOPE_KEY

from .hand_made import NO_BODY, Channel, make_app, with_and_without


@pytest.fixture
def _no_collections() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


async def _items() -> AsyncGenerator[bytes, None]:
    for _ in range(3):
        yield b"item"


def _app(*, middleware: bool) -> FastAPI:
    """Return an app without dependencies: the worker threads that run them let go of a request a moment later."""
    app = make_app(middleware=middleware)

    @app.get("/token")
    async def token(request: Request) -> bool:
        return get_request_token(request).is_cancelled

    @app.get("/operation")
    async def operation(request: Request) -> bool:
        async with cancelable_dependency(request):
            await anyio.lowlevel.checkpoint()
        return True

    @app.get("/decorated")
    @with_cancelation
    async def decorated() -> bool:
        return True

    @app.get("/stream")
    async def stream(request: Request) -> Response:
        return cancelable_streaming_response(_items(), cancelable_dependency(request))

    return app


@with_and_without
@pytest.mark.parametrize("path", ["/token", "/operation", "/decorated", "/stream"])
@pytest.mark.usefixtures("_no_collections")
async def test_a_request_that_is_over(path: str, middleware: bool) -> None:
    """It is freed at once, with all that it holds, and waits for no pass of the garbage collector."""
    channel = Channel(NO_BODY, path=path)
    await channel.run_alone(_app(middleware=middleware))
    monitor = weakref.ref(channel.scope[SCOPE_KEY])
    del channel
    await anyio.wait_all_tasks_blocked()
    assert monitor() is None
