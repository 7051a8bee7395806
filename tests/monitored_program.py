"""A program with one operation in a shared registry; see `test_monitoring_example.py`."""

from __future__ import annotations

import sys

import anyio

from hother.cancelable import Cancelable, OperationRegistry
from hother.cancelable.registry import RedisBackend


async def main() -> None:
    """Run until it is killed."""
    OperationRegistry(RedisBackend(sys.argv[1], lease=6)).install()
    async with Cancelable(name="a job elsewhere", register_globally=True) as operation:
        await operation.report_progress("half of it", {"percent": 50})
        print("runs", flush=True)
        await anyio.sleep_forever()


anyio.run(main)
