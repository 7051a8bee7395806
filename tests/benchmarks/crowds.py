"""The rows that take many tasks, other threads, or fresh processes."""

from __future__ import annotations

import functools
import gc
import os
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import anyio
from anyio.lowlevel import current_token
from measuring import QUIETLY, Row, Work, without_collections

from hother.cancelable import Cancelable, CancelationToken

CROWD = 5000


async def _crowd(body: Callable[[], Coroutine[Any, Any, None]], cancel: Callable[[], Awaitable[None]]) -> float:
    """Return the milliseconds of CPU time from a cancel to the end of all the tasks that it is for."""
    with without_collections():
        async with anyio.create_task_group() as group:
            for _ in range(CROWD):
                group.start_soon(body)
            await anyio.wait_all_tasks_blocked()
            start = time.thread_time()
            await cancel()
        return (time.thread_time() - start) * 1e3
    raise AssertionError


async def cancel_operations() -> float:
    token = CancelationToken()

    async def body() -> None:
        async with Cancelable.with_token(token, **QUIETLY):
            await anyio.sleep_forever()

    async def cancel() -> None:
        await token.cancel()

    return await _crowd(body, cancel)


async def cancel_scopes() -> float:
    scopes: list[anyio.CancelScope] = []

    async def body() -> None:
        with anyio.CancelScope() as scope:
            scopes.append(scope)
            await anyio.sleep_forever()

    async def cancel() -> None:
        for scope in scopes:
            scope.cancel()
        scopes.clear()  # each is freed with its task then, as an operation is

    return await _crowd(body, cancel)


async def _bytes_of(body: Callable[[], Coroutine[Any, Any, None]]) -> float:
    gc.collect()
    tracemalloc.start()
    async with anyio.create_task_group() as group:
        for _ in range(1000):
            group.start_soon(body)
        await anyio.wait_all_tasks_blocked()
        gc.collect()
        taken, _ = tracemalloc.get_traced_memory()
        group.cancel_scope.cancel()
    tracemalloc.stop()
    return taken / 1000


async def live_operation() -> float:
    async def body() -> None:
        async with Cancelable():
            await anyio.sleep_forever()

    return await _bytes_of(body)


async def live_scope() -> float:
    async def body() -> None:
        with anyio.CancelScope():
            await anyio.sleep_forever()

    return await _bytes_of(body)


async def left_on_a_token() -> float:
    token = CancelationToken()
    async with Cancelable.with_token(token):
        pass
    gc.collect()
    tracemalloc.start()
    for _ in range(1000):
        async with Cancelable.with_token(token):
            pass
    gc.collect()
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return max(taken - 1000, 0) / 1000  # the loop's own variables, of which there are always a few


async def nothing() -> float:
    return 0.0


async def _from_thread(block: AbstractAsyncContextManager[object], cancel: Callable[[], object]) -> float:
    """Return the microseconds from a cancel in a thread to the end of the block."""
    started = 0.0

    def in_thread() -> None:
        nonlocal started
        time.sleep(0.002)  # until the loop is parked
        started = time.perf_counter()
        cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(anyio.to_thread.run_sync, in_thread)
        async with block:
            await anyio.sleep_forever()
        return (time.perf_counter() - started) * 1e6
    raise AssertionError


async def thread_cancels_operation() -> float:
    took: list[float] = []
    for _ in range(20):
        operation = Cancelable(**QUIETLY)
        took.append(await _from_thread(operation, operation.cancel_sync))
    return statistics.median(took)


async def thread_cancels_scope() -> float:
    loop = current_token().native_token
    post = getattr(loop, "call_soon_threadsafe", None) or getattr(loop, "run_sync_soon", None)
    assert post is not None
    took: list[float] = []
    for _ in range(20):
        scope = anyio.CancelScope()
        took.append(await _from_thread(_block(scope), functools.partial(post, scope.cancel)))
    return statistics.median(took)


@asynccontextmanager
async def _block(scope: anyio.CancelScope) -> AsyncGenerator[None]:
    with scope:
        yield


@functools.cache
def _compiled() -> tempfile.TemporaryDirectory[str]:
    """Return a folder for bytecode, so that both ways find it, as after an installation."""
    return tempfile.TemporaryDirectory()


def _import(statement: str) -> Work:
    code = f"import time; t = time.thread_time(); {statement}; print((time.thread_time() - t) * 1e3)"

    async def work() -> float:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": _compiled().name}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        command = [sys.executable, "-c", code]
        return float(subprocess.run(command, capture_output=True, check=True, env=environment).stdout)

    return work


ROWS = [
    Row(
        "cancel 5,000 operations on one token",
        "5,000 `scope.cancel()`",
        1.2,
        cancel_operations,
        cancel_scopes,
        "ms",
        rounds=21,
    ),
    Row("memory of a live operation", "a bare scope", 1000, live_operation, live_scope, "B", difference=True, rounds=1),
    Row(
        "left by a finished operation on a token",
        "nothing",
        0,
        left_on_a_token,
        nothing,
        "B",
        difference=True,
        rounds=1,
    ),
    Row(
        "thread `cancel_sync` to exit",
        "`call_soon_threadsafe(scope.cancel)`",
        1.2,
        thread_cancels_operation,
        thread_cancels_scope,
        rounds=45,
        former=False,
    ),
    Row(
        "`import hother.cancelable`",
        "`import anyio, asyncio`",
        1.2,
        _import("import hother.cancelable"),
        _import("import anyio, asyncio"),
        "ms",
        rounds=25,
        loops=("asyncio",),
    ),
]
