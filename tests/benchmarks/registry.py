"""The row of the registry in memory: a listing of many operations."""

from __future__ import annotations

import time

from crowds import nothing
from measuring import Row

from hother.cancelable import Cancelable
from hother.cancelable.registry import OperationRegistry

LISTED = 10_000


async def listing() -> float:
    """Return the milliseconds that it takes to list many operations."""
    registry = OperationRegistry()
    operations = [Cancelable(name="listed") for _ in range(LISTED)]
    for operation in operations:
        await registry.register(operation)
        await operation.__aenter__()
    start = time.thread_time()
    found = await registry.list_operations()
    took = (time.thread_time() - start) * 1e3
    for operation in reversed(operations):
        await operation.__aexit__(None, None, None)
    assert len(found) == LISTED
    return took


ROWS = [
    Row("list 10,000 operations in memory", "nothing", 20, listing, nothing, "ms", difference=True, rounds=3),
]
