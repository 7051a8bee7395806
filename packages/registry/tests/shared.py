"""What the tests of several modules use: operations that run until they are told, and two views of a registry."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import anyio
import anyio.to_thread
import pytest
from anyio.abc import TaskStatus

from hother.cancelable import Cancelable
from hother.cancelable.registry import OperationRegistry, ThreadSafeRegistry

View = Callable[[OperationRegistry], OperationRegistry]
"""Gives something with the methods of a registry."""


async def run(operation: Cancelable, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
    """Run an operation until it is told to stop."""
    async with operation:
        task_status.started()
        await anyio.sleep_forever()


@asynccontextmanager
async def running(*operations: Cancelable) -> AsyncGenerator[None]:
    """Run operations side by side in tasks of their own; what is left of them at the end is cancelled."""
    async with anyio.create_task_group() as group:
        for operation in operations:
            await group.start(run, operation)
        yield
        group.cancel_scope.cancel()


def work(name: str | None = None, **options: Any) -> Cancelable:
    """Make an operation that is left silently when it is cancelled."""
    return Cancelable(name=name, move_on=True, **options)


async def listed(registry: OperationRegistry, *operations: Cancelable) -> None:
    """Register operations."""
    for operation in operations:
        await registry.register(operation)


async def done(registry: OperationRegistry, *names: str) -> None:
    """Run operations to their end, one after the other."""
    for name in names:
        operation = work(name)
        await registry.register(operation)
        async with operation:
            pass


class InThread:
    """Has the methods of an `OperationRegistry`, and asks a `ThreadSafeRegistry` in a worker thread each time."""

    def __init__(self, registry: OperationRegistry) -> None:
        self._view = ThreadSafeRegistry(registry)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._view, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await anyio.to_thread.run_sync(functools.partial(method, *args, **kwargs))

        return call


def awaited(registry: OperationRegistry) -> OperationRegistry:
    """Give the registry itself."""
    return registry


def blocking(registry: OperationRegistry) -> OperationRegistry:
    """Give the same answers by way of a `ThreadSafeRegistry` in threads."""
    return cast("OperationRegistry", InThread(registry))


each_view = pytest.mark.parametrize("view", [awaited, blocking])
