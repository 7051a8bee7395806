"""The shutdown on hypercorn, which lets no signal reach the app: its own trigger calls `begin_shutdown`."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import AsyncIterator
from typing import Any

import anyio
import hypercorn.asyncio
import hypercorn.trio
import pytest
from anyio import from_thread
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from hypercorn.config import Config

from hother.cancelable import Cancelable, ShutdownCancelation
from hother.cancelable.integrations.fastapi import GracefulShutdown, RequestCancelationMiddleware

from .clients import Client, Journal

pytestmark = pytest.mark.server


def make_app(shutdown: GracefulShutdown, journal: Journal) -> FastAPI:
    """Return an app with an endless stream and with work on an answer."""
    app = FastAPI(lifespan=shutdown.lifespan)
    app.add_middleware(RequestCancelationMiddleware, shutdown=shutdown)

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def events() -> AsyncIterator[str]:
            try:
                async with Cancelable():
                    while True:
                        yield "data: tick\n\n"
                        await anyio.sleep(0.1)
            except ShutdownCancelation:
                yield "data: bye\n\n"

        return StreamingResponse(events(), media_type="text/event-stream")

    @app.get("/work")
    async def work() -> str:
        journal.note("working")
        async with Cancelable():
            await anyio.sleep(1)
        return "done"

    return app


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_hypercorn(backend: str, caplog: pytest.LogCaptureFixture) -> None:
    """Streams get a last event and a clean end, work on an answer its 200, and the server ends by itself."""
    shutdown, journal, stop = GracefulShutdown(), Journal(), list[Any]()
    listener = socket.create_server(("127.0.0.1", 0))
    port: int = listener.getsockname()[1]
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.errorlog = logging.getLogger("hypercorn.error")

    async def trigger() -> None:
        event = anyio.Event()
        stop.extend([event.set, anyio.lowlevel.current_token()])
        journal.note("serving")
        await event.wait()
        shutdown.begin_shutdown()

    async def serve() -> None:
        served: Any = hypercorn.trio.serve if backend == "trio" else hypercorn.asyncio.serve
        await served(make_app(shutdown, journal), config, shutdown_trigger=trigger)

    server = threading.Thread(target=lambda: anyio.run(serve, backend=backend), daemon=True)
    server.start()
    journal.when("serving")
    streams, worker = [Client(port) for _ in range(5)], Client(port)
    for client in streams:
        client.get("/stream")
        client.read_until(b"data: tick\n\n")
    worker.get("/work")
    journal.when("working")
    from_thread.run_sync(stop[0], token=stop[1])
    for client in streams:
        client.read_until(b"data: bye\n\n\r\n0\r\n\r\n")
        client.close()
    assert worker.response() == (200, b'"done"')
    worker.close()
    server.join(10)
    assert not server.is_alive()
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []
