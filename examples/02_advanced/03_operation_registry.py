"""List what runs, follow it, cancel it by id or by filter, and read how it ended.

    uv run python examples/02_advanced/03_operation_registry.py

Shows the registry of the process, filters and the tree, cancelling with and without waiting for the end, many at once
with their count before, the feed of events, history and numbers, and the same from a thread.
"""

from collections.abc import Iterable

import anyio
from anyio import to_thread

from hother.cancelable import Cancelable, OperationRegistry, ThreadSafeRegistry
from hother.cancelable.registry import EventKind, TreeNode

registry = OperationRegistry.get_instance()


async def download(name: str) -> None:
    """Work until somebody cancels it; `register_globally=True` lists it."""
    async with Cancelable(name=name, register_globally=True, move_on=True) as operation:
        await operation.report_progress("half of it has come", {"percent": 50})
        await anyio.sleep(60)


async def nightly() -> None:
    """Do two downloads under one roof."""
    async with Cancelable(name="nightly", register_globally=True, move_on=True), anyio.create_task_group() as group:
        group.start_soon(download, "download prices")
        group.start_soon(download, "download rates")
        await anyio.sleep(60)


def draw(nodes: Iterable[TreeNode], depth: int = 0) -> None:
    """Print a tree."""
    for record, children in nodes:
        print(f"  {'  ' * depth}{record.name}: {record.status}")
        draw(children, depth + 1)


async def list_and_cancel() -> None:
    """See what runs; cancel one and be told how it ended, then many."""
    print("the tree:")
    draw(await registry.tree())
    [prices] = await registry.list_operations(name_pattern="*prices")
    print("progress:", prices.progress and prices.progress.percent)
    result = await registry.cancel(prices.id, message="not needed today", wait=5)
    print(f"one: {result.state}, {result.record and result.record.cancel_message}")
    again = await registry.cancel(prices.id, message="too late")
    print(f"again: {again.state}, {again.record and again.record.cancel_message}")
    unknown = await registry.cancel("no such id")
    print(f"unknown: {unknown.state}")
    print("downloads left:", await registry.count(name_pattern="download"))
    print("told:", await registry.cancel_all(name_pattern="download", message="the disk is full"))


async def follow() -> None:
    """Print what happens; operations never wait for a reader."""
    async for event in registry.events():
        if event.record is not None and event.kind in (EventKind.CANCEL_REQUESTED, EventKind.FINISHED):
            print(f"  event: {event.record.name} {event.kind}")


def look_from_thread() -> None:
    """Ask the same without an event loop."""
    blocking = ThreadSafeRegistry(registry)
    print("a thread sees:", [record.name for record in blocking.list_operations()])
    print("a thread cancels:", blocking.cancel(blocking.list_operations()[0].id, wait=5).state)


async def main() -> None:
    """Show one after the other."""
    async with anyio.create_task_group() as group:
        group.start_soon(nightly)
        await anyio.wait_all_tasks_blocked()
        async with anyio.create_task_group() as readers:
            readers.start_soon(follow)
            await anyio.wait_all_tasks_blocked()
            await list_and_cancel()
            await anyio.wait_all_tasks_blocked()
            readers.cancel_scope.cancel()
        await to_thread.run_sync(look_from_thread)
    for record in await registry.get_history():
        print(f"history: {record.name} {record.status}, {record.cancel_reason}")
    numbers = await registry.get_statistics()
    print("numbers:", numbers["total_completed"], "ended,", numbers["ended_by_reason"])


if __name__ == "__main__":
    anyio.run(main)
