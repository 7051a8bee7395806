"""An app with endpoints of each kind, which take a moment, and keep account of what they have begun and ended."""

import asyncio
import contextlib
import hashlib
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated

import anyio
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, Request
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect

from hother.cancelable import Cancelable
from hother.cancelable.integrations.fastapi import (
    CancelableStreamingResponse,
    RequestCancelationMiddleware,
    add_cancelation_handlers,
    cancelable_dependency,
    cancelable_streaming_response,
    with_cancelation,
)

KINDS = ["operation", "decorated", "timeout", "stream", "plain", "upload", "background"]
"""The paths of the endpoints."""


class Balance:
    """What has begun and ended, by kind."""

    def __init__(self) -> None:
        self.begun: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()


def balance_of(request: Request) -> Balance:
    """Return the account of the app."""
    balance: Balance = request.app.state.balance
    return balance


Account = Annotated[Balance, Depends(balance_of)]
Operation = Annotated[Cancelable, Depends(cancelable_dependency)]


async def session(request: Request, balance: Account) -> AsyncGenerator[None]:
    """Hold something as long as a request runs; give it back in two steps."""
    kind = request.url.path
    balance.begun[kind] += 1
    try:
        yield
    finally:
        await anyio.sleep(0.001)
        balance.ended[kind] += 1


router = APIRouter(dependencies=[Depends(session)])


def make_soaked_app(balance: Balance) -> FastAPI:
    """Return the app."""
    app = FastAPI()
    app.state.balance = balance
    app.add_middleware(RequestCancelationMiddleware, default_timeout=30)
    add_cancelation_handlers(app)
    app.include_router(router)
    app.get("/tasks")(count_tasks)
    return app


async def count_tasks() -> int:
    """Tell how many tasks run, with this one."""
    return len(asyncio.all_tasks())


@router.get("/operation")
async def in_operation(operation: Operation) -> str:
    """Work in the dependency's operation."""
    async with operation:
        await anyio.sleep(0.02)
    return "done"


@router.get("/decorated")
@with_cancelation(timeout=30)
async def decorated() -> str:
    """Work in the decorator's operation."""
    await anyio.sleep(0.02)
    return "done"


@router.get("/timeout")
@with_cancelation(timeout=0.005)
async def timeout() -> str:
    """Take too long."""
    await anyio.sleep(30)
    return "done"


@router.get("/stream")
async def stream(balance: Account) -> CancelableStreamingResponse:
    """Stream with our response."""
    return cancelable_streaming_response(pieces(balance))


@router.get("/plain")
async def plain(balance: Account) -> StreamingResponse:
    """Stream with Starlette's response, in an operation of its own."""

    async def generate() -> AsyncIterator[bytes]:
        async with Cancelable():
            async for piece in pieces(balance):
                yield piece

    return StreamingResponse(generate())


async def pieces(balance: Balance) -> AsyncGenerator[bytes]:
    """Yield what is streamed."""
    balance.begun["pieces"] += 1
    try:
        for _ in range(5):
            yield b"data: " + b"x" * 1_000 + b"\n\n"
            await anyio.sleep(0.004)
    finally:
        balance.ended["pieces"] += 1


@router.post("/upload")
async def upload(request: Request, operation: Operation) -> str:
    """Read a body."""
    digest = hashlib.sha256()
    async with operation:
        with contextlib.suppress(ClientDisconnect):
            async for piece in request.stream():
                digest.update(piece)
    return digest.hexdigest()


@router.get("/background")
async def background(tasks: BackgroundTasks, operation: Operation, balance: Account) -> str:
    """Leave something to be done afterwards."""
    async with operation:
        tasks.add_task(work, balance)
    return "done"


async def work(balance: Balance) -> None:
    """Do it."""
    balance.begun["work"] += 1
    async with Cancelable():
        await anyio.sleep(0.01)
    balance.ended["work"] += 1
