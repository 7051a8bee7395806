"""The ways in which a run is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from enum import StrEnum

import anyio

from hother.cancelable.core import Cancelable, CancelationToken

MARK = "cancel_at_each_checkpoint"
"""What the cancellations of the kit say, so that they can be told from others."""

Cancel = Callable[[], str]
"""Cancels, and returns what the cancellation says when it comes in."""

_LONG = 1e8


class Way(StrEnum):
    """How a run is cancelled."""

    NATIVE = "native"
    """As the backend does it: `Task.cancel()` once on asyncio, a cancel scope on trio."""
    TWICE = "twice"
    """Like native, and once more at the next suspension, which is one of the clean-up."""
    TOKEN = "token"
    """By the token of an operation around it."""
    TIMEOUT = "timeout"
    """By the deadline of an operation around it."""

    def __str__(self) -> str:
        return _TEXTS[self]


_TEXTS = {
    Way.NATIVE: "natively",
    Way.TWICE: "natively, twice",
    Way.TOKEN: "by a token",
    Way.TIMEOUT: "by a timeout",
}


@asynccontextmanager
async def cancellable(way: Way | None) -> AsyncGenerator[Cancel]:
    """Run a block so that it can be cancelled in a way; give the function that does it, on the event loop."""
    if way is Way.TOKEN:
        token = CancelationToken()
        async with Cancelable.with_token(token, name=MARK, detached=True):
            yield lambda: _now(token)
    elif way is Way.TIMEOUT:
        async with Cancelable.with_timeout(_LONG, name=MARK, detached=True) as operation:
            yield lambda: _expired(operation)
    elif way is None:
        yield lambda: MARK
    else:
        task = _asyncio_task()
        if task is not None:
            yield lambda: _natively(task)
        else:
            with anyio.CancelScope() as scope:
                yield lambda: _natively(scope)


def _now(token: CancelationToken) -> str:
    request = token.cancel(MARK)
    try:
        request.send(None)  # it never waits; cancel_sync would tell the operation a turn later
    except StopIteration:
        pass
    return MARK


def _expired(operation: Cancelable) -> str:
    operation._expire()
    return operation.context.cancel_message or MARK


def _natively(target: asyncio.Task[object] | anyio.CancelScope) -> str:
    target.cancel(MARK)
    return MARK


def _asyncio_task() -> asyncio.Task[object] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


async def absorb_requests() -> bool:
    """Take what is left of a native cancel from the current task; tell whether it was still to be delivered."""
    task = _asyncio_task()
    if task is None or not task.cancelling():
        return False
    pending = False
    try:
        await asyncio.sleep(0)
    except asyncio.CancelledError:
        pending = True
    while task.cancelling():
        task.uncancel()
    return pending
