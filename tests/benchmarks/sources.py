"""The rows of sources: conditions that are asked in vain, signals, and what a source adds to an operation."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
from crowds import nothing
from measuring import Row, Work, per_call

from hother.cancelable import Cancelable
from hother.cancelable.sources import TimeoutSource

CROWD = 1000

Body = Callable[[], Coroutine[Any, Any, None]]


def _idle(body: Body) -> Work:
    """Measure what a crowd of tasks takes of one core while nothing happens, in CPU milliseconds per second."""

    async def work() -> float:
        async with anyio.create_task_group() as group:
            for _ in range(CROWD):
                group.start_soon(body)
            await anyio.sleep(0.1)
            cpu, wall = time.process_time(), time.perf_counter()
            await anyio.sleep(1)
            taken = (time.process_time() - cpu) / (time.perf_counter() - wall)
            group.cancel_scope.cancel()
        return taken * 1000

    return work


def never() -> bool:
    return False


async def never_async() -> bool:
    return False


async def condition() -> None:
    async with Cancelable.with_condition(never):
        await anyio.sleep_forever()


async def async_condition() -> None:
    async with Cancelable.with_condition(never_async):
        await anyio.sleep_forever()


async def loop_by_hand() -> None:
    while not await never_async():
        await anyio.sleep(0.1)


async def signalled() -> float:
    """Return the milliseconds from a signal to the end of all operations; what else runs here can only add to them."""
    return min([await _signalled() for _ in range(3)])


async def _signalled() -> float:
    async def body() -> None:
        async with Cancelable.with_signal(signal.SIGUSR1, move_on=True):
            await anyio.sleep_forever()

    async with anyio.create_task_group() as group:
        for _ in range(CROWD):
            group.start_soon(body)
        await anyio.wait_all_tasks_blocked()
        start = time.thread_time()
        os.kill(os.getpid(), signal.SIGUSR1)
    return (time.thread_time() - start) * 1e3


async def with_timeout_source(times: int) -> None:
    for _ in range(times):
        async with Cancelable.with_source(TimeoutSource(60)):
            pass


async def fail_after(times: int) -> None:
    for _ in range(times):
        with anyio.fail_after(60):
            pass


async def with_signal(times: int) -> None:
    for _ in range(times):
        async with Cancelable.with_signal(signal.SIGUSR1):
            pass


async def handler_by_hand(times: int) -> None:
    for _ in range(times):
        former = signal.signal(signal.SIGUSR1, lambda number, frame: None)
        with anyio.CancelScope():
            pass
        signal.signal(signal.SIGUSR1, former)


ROWS = [
    Row(
        "1,000 idle conditions, CPU time",
        "1,000 tasks asleep",
        50,
        _idle(condition),
        _idle(anyio.sleep_forever),
        "ms/s",
        difference=True,
        rounds=2,
    ),
    Row(
        "1,000 idle async conditions, CPU time",
        "1,000 loops with `anyio.sleep`",
        1,
        _idle(async_condition),
        _idle(loop_by_hand),
        "ms/s",
        rounds=2,
    ),
    Row("end 1,000 operations by a signal", "nothing", 50, signalled, nothing, "ms", difference=True, rounds=3),
    Row(
        "enter and leave `with_source(TimeoutSource)`",
        "`anyio.fail_after`",
        2.5,
        per_call(with_timeout_source),
        per_call(fail_after),
    ),
    Row(
        "enter and leave `with_signal`",
        "`signal.signal`, twice",
        400,
        per_call(with_signal, 100),
        per_call(handler_by_hand, 100),
        difference=True,
    ),
]
