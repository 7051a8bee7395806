"""The rows of the registry in memory: what registering adds to an operation, and a listing of many."""

from __future__ import annotations

import time

import anyio
from crowds import nothing
from measuring import Row, per_call

from hother.cancelable import Cancelable
from hother.cancelable.registry import OperationRegistry

LISTED = 10_000


async def registered(times: int) -> None:
    for _ in range(times):
        async with Cancelable(register_globally=True):
            pass


async def fail_after(times: int) -> None:
    for _ in range(times):
        with anyio.fail_after(10):
            pass


async def listing() -> float:
    """Return the milliseconds that it takes to list many operations."""
    registry = OperationRegistry()
    operations = [Cancelable(name="listed") for _ in range(LISTED)]
    for operation in operations:
        await registry.register(operation)
        await operation.__aenter__()
    start = time.perf_counter()
    found = await registry.list_operations()
    took = (time.perf_counter() - start) * 1e3
    for operation in reversed(operations):
        await operation.__aexit__(None, None, None)
    assert len(found) == LISTED
    return took


ROWS = [
    Row(
        "enter and leave, registered in memory",
        "`fail_after`",
        1.2,
        per_call(registered),
        per_call(fail_after),
    ),
    Row("list 10,000 operations in memory", "nothing", 20, listing, nothing, "ms", difference=True, rounds=5),
]
