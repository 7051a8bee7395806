"""What is done to conditions, sources, a registry and streams, for the plots of how cost grows."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable

import anyio
from anyio.lowlevel import checkpoint
from measuring import Watch

from hother.cancelable import Cancelable, CancelationSource, CancelationToken, cancelable_stream
from hother.cancelable.registry import OperationRegistry


async def conditions(size: int) -> float:
    """Start so many operations that ask a condition each, and have all asked for half a second."""

    async def body() -> None:
        async with Cancelable.with_condition(bool, 0.1):
            await anyio.sleep_forever()

    async with anyio.create_task_group() as group:
        with Watch() as watch:
            for _ in range(size):
                group.start_soon(body)
            await anyio.sleep(0.55)
        group.cancel_scope.cancel()
    return watch.seconds


class Silent(CancelationSource):
    """A source that waits in a task of its own."""

    async def wait(self) -> None:
        await anyio.sleep_forever()


def with_sources(make: Callable[[], CancelationSource]) -> Callable[[int], Awaitable[float]]:
    """Enter and leave an operation that has so many sources."""

    async def measure(size: int) -> float:
        sources = [make() for _ in range(size)]
        with Watch() as watch:
            async with Cancelable(sources=sources):
                await checkpoint()
        return watch.seconds

    return measure


async def combining(size: int) -> float:
    """Make one operation of so many, enter and leave it."""
    parts = [Cancelable.with_token(CancelationToken()) for _ in range(size)]
    with Watch() as watch:
        async with Cancelable().combine(*parts):
            pass
    return watch.seconds


TIMES = 20
"""How often something is done with a registry of a size."""

Act = Callable[[OperationRegistry, list[Cancelable]], Awaitable[object]]


def registry(act: Act) -> Callable[[int], Awaitable[float]]:
    """Do something with a registry that holds so many operations."""

    async def measure(size: int) -> float:
        holder = OperationRegistry()
        operations = [Cancelable() for _ in range(size)]
        for operation in operations:
            await holder.register(operation)
        with Watch() as watch:
            for _ in range(TIMES):
                await act(holder, operations)
        await holder.clear_all()
        return watch.seconds / TIMES

    return measure


async def list_all(holder: OperationRegistry, operations: list[Cancelable]) -> None:
    await holder.list_operations()


async def add_and_remove(holder: OperationRegistry, operations: list[Cancelable]) -> None:
    operation = Cancelable()
    await holder.register(operation)
    await holder.unregister(operation.operation_id)


async def find_one(holder: OperationRegistry, operations: list[Cancelable]) -> None:
    await holder.get_operation(operations[len(operations) // 2].operation_id)


async def count_all(holder: OperationRegistry, operations: list[Cancelable]) -> None:
    await holder.get_statistics()


async def numbers(times: int) -> AsyncGenerator[int, None]:
    for number in range(times):
        yield number


async def long_stream(size: int) -> float:
    """Take so many items from one stream, and keep them for a partial result."""
    with Watch() as watch:
        async with cancelable_stream(numbers(size), buffer_partial=True) as stream:
            async for _ in stream:
                pass
    return watch.seconds


async def many_streams(size: int) -> float:
    """Take one item each from so many streams at once."""
    streams = [cancelable_stream(numbers(2)) for _ in range(size)]
    with Watch() as watch:
        for stream in streams:
            await anext(stream)
        for stream in streams:
            await stream.aclose()
    return watch.seconds
