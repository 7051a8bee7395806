"""What is done to many operations, nested operations and listeners of a token, for the plots of how cost grows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from types import TracebackType
from typing import Any

import anyio
from anyio.lowlevel import checkpoint
from measuring import Watch

from hother.cancelable import Cancelable, CancelationToken

Body = Callable[[], Coroutine[Any, Any, None]]


async def crowd(size: int, body: Body, end: Callable[[], object], *, starting: bool) -> float:
    """Run a body in so many tasks; measure how long they take to start, or to end once they are told to."""
    start, stop = Watch(), Watch()
    with stop:
        async with anyio.create_task_group() as group:
            with start:
                for _ in range(size):
                    group.start_soon(body)
                await checkpoint()
                await checkpoint()
            end()
    return start.seconds if starting else stop.seconds - start.seconds


def operations(*, starting: bool) -> Callable[[int], Awaitable[float]]:
    """Start or cancel so many operations on one token."""

    async def measure(size: int) -> float:
        token = CancelationToken()

        async def body() -> None:
            async with Cancelable.with_token(token, move_on=True):
                await anyio.sleep_forever()

        return await crowd(size, body, lambda: token.cancel_sync(), starting=starting)

    return measure


async def scopes(size: int) -> float:
    """Cancel so many scopes."""
    alive: list[anyio.CancelScope] = []

    async def body() -> None:
        with anyio.CancelScope() as scope:
            alive.append(scope)
            await anyio.sleep_forever()

    def cancel() -> None:
        for scope in alive:
            scope.cancel()

    return await crowd(size, body, cancel, starting=False)


async def one_among(size: int) -> float:
    """Cancel one operation while so many are alive."""
    token = CancelationToken()
    operation = Cancelable(move_on=True, token=token)
    ended = anyio.Event()
    watch = Watch()

    async def other() -> None:
        async with Cancelable.with_token(token, move_on=True):
            await anyio.sleep_forever()

    async def this() -> None:
        async with operation:
            await anyio.sleep_forever()
        ended.set()

    async with anyio.create_task_group() as group:
        for number in range(size):
            group.start_soon(this if number == size // 2 else other)
        await checkpoint()
        await checkpoint()
        with watch:
            await operation.cancel()
            await ended.wait()
        token.cancel_sync()
    return watch.seconds


def nested(enter: Callable[[], Any], *, cancelled: bool) -> Callable[[int], Awaitable[float]]:
    """Enter operations or scopes so deep and leave them all; or cancel the outermost from within."""

    async def once(size: int) -> None:
        opened = [enter() for _ in range(size)]
        for each in opened:
            await each.__aenter__()
        leaving: BaseException | None = None
        if cancelled:
            opened[0].cancel_sync()
            try:
                await anyio.sleep_forever()
            except BaseException as error:
                leaving = error
        for each in reversed(opened):
            if await each.__aexit__(leaving and type(leaving), leaving, leaving and leaving.__traceback__):
                leaving = None

    async def measure(size: int) -> float:
        times = max(200 // size, 1)
        with Watch() as watch:
            for _ in range(times):
                await once(size)
        return watch.seconds / times

    return measure


class Scope:
    """A bare scope for `async with`."""

    def __init__(self) -> None:
        self._scope = anyio.CancelScope()

    def cancel_sync(self) -> None:
        self._scope.cancel()

    async def __aenter__(self) -> None:
        self._scope.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        return self._scope.__exit__(kind, error, traceback)


async def add_callbacks(size: int) -> float:
    token = CancelationToken()
    with Watch() as watch:
        registered = [token.on_cancel(id) for _ in range(size)]
        for registration in registered:
            registration.unregister()
    return watch.seconds


async def tell_callbacks(size: int) -> float:
    token = CancelationToken()
    for _ in range(size):
        token.on_cancel(id)
    with Watch() as watch:
        token.cancel_sync()
    return watch.seconds


async def tell_links(size: int) -> float:
    token = CancelationToken()
    linked = [CancelationToken.any_of(token) for _ in range(size)]
    with Watch() as watch:
        token.cancel_sync()
    assert linked[-1].is_cancelled
    return watch.seconds
