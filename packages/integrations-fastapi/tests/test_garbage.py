"""What a request leaves for the garbage collector: nothing, so that its passes do not hold up a server under load."""

from __future__ import annotations

import gc
import weakref
from collections.abc import AsyncGenerator, Iterator
from typing import Annotated

import anyio
import pytest
from fastapi import Depends, FastAPI, Request
from starlette.responses import Response

from hother.cancelable import Cancelable
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
    app = make_app(middleware=middleware)

    @app.get("/token")
    async def token(request: Request) -> bool:  # not as a dependency: a worker thread would let go a moment later
        return get_request_token(request).is_cancelled

    @app.get("/operation")
    async def operation(operation: Annotated[Cancelable, Depends(cancelable_dependency)]) -> bool:
        async with operation:
            await anyio.lowlevel.checkpoint()
        return True

    @app.get("/decorated")
    @with_cancelation
    async def decorated() -> bool:
        return True

    @app.get("/stream")
    async def stream(operation: Annotated[Cancelable, Depends(cancelable_dependency)]) -> Response:
        return cancelable_streaming_response(_items(), operation)

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
