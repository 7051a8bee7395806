"""An app with streams, web sockets and work on answers, which says on standard output what happens to them."""

import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import anyio
from fastapi import FastAPI, WebSocket
from fastapi.responses import StreamingResponse

from hother.cancelable import Cancelable, ShutdownCancelation
from hother.cancelable.integrations.fastapi import (
    CancelableStreamingResponse,
    GracefulShutdown,
    RequestCancelationMiddleware,
    cancelable_streaming_response,
)

shutdown = GracefulShutdown(grace=float(os.environ.get("GRACE", "10")))


def say(what: str) -> None:
    """Write a line, with the process that it comes from, in one piece: others write, too."""
    os.write(1, f"{os.getpid()} {what}\n".encode())


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Begin and end the app."""
    async with shutdown.lifespan(app):
        say("lifespan begun")
        yield
    say("lifespan ended")


app = FastAPI(lifespan=lifespan)
app.add_middleware(RequestCancelationMiddleware, shutdown=shutdown)


@app.get("/own")
async def own() -> StreamingResponse:
    """Stream events in words of its own."""

    async def events() -> AsyncIterator[str]:
        try:
            async with Cancelable():
                while True:
                    yield "data: tick\n\n"
                    await anyio.sleep(0.2)
        except ShutdownCancelation:
            yield "event: cancelled\ndata: bye\n\n"
        finally:
            say("stream ended")

    return StreamingResponse(events(), media_type="text/event-stream")


@app.get("/ours")
async def ours() -> CancelableStreamingResponse:
    """Stream events, and leave the end to the library."""

    async def events() -> AsyncIterator[str]:
        try:
            while True:
                yield "data: tick\n\n"
                await anyio.sleep(0.2)
        finally:
            say("stream ended")

    return cancelable_streaming_response(events())


@app.get("/endless")
async def endless() -> None:
    """Work for ever, outside any operation."""
    say("endless begun")
    await anyio.sleep_forever()


@app.post("/work")
async def work() -> str:
    """Work on an answer for a second."""
    say("work begun")
    async with Cancelable():
        await anyio.sleep(1)
    say("work ended")
    return "done"


@app.websocket("/socket")
async def socket(websocket: WebSocket) -> None:
    """Wait for what never comes."""
    await websocket.accept()
    async with Cancelable():
        await websocket.receive_text()
