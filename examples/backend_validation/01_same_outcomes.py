"""The same operations on asyncio, uvloop and trio, and a table of how each of them ends.

    uv run python examples/backend_validation/01_same_outcomes.py

The three columns agree; the program exits with 1 if they do not. A backend that is not installed has no column.
"""

import signal
import sys
import threading
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from typing import Any

import anyio

from hother.cancelable import Cancelable, CancelationError, CancelationReason, CancelationToken, cancelable_stream
from hother.cancelable.streams import StreamConfig, simulate_stream

BACKENDS: dict[str, dict[str, Any]] = {
    "asyncio": {"backend": "asyncio"},
    "uvloop": {"backend": "asyncio", "backend_options": {"use_uvloop": True}},
    "trio": {"backend": "trio"},
}


async def wait(operation: Cancelable) -> None:
    """Wait until something ends the operation."""
    await anyio.sleep(60)


async def ends(operation: Cancelable) -> None:
    """Do a little, and end."""
    await anyio.sleep(0)


async def fails(operation: Cancelable) -> None:
    """Raise an error of its own."""
    raise ValueError("no such page")


async def is_cancelled_by_a_task(operation: Cancelable) -> None:
    """Have another task cancel it."""
    async with anyio.create_task_group() as group:
        group.start_soon(operation.cancel)
        await anyio.sleep(60)


async def is_cancelled_by_a_thread(operation: Cancelable) -> None:
    """Have a thread cancel it, which knows nothing of event loops."""
    thread = threading.Thread(target=operation.cancel_sync, args=(CancelationReason.SHUTDOWN,))
    thread.start()
    try:
        await anyio.sleep(60)
    finally:
        thread.join()


async def receives_a_signal(operation: Cancelable) -> None:
    """Send a signal to the process."""
    signal.raise_signal(signal.SIGTERM)
    await anyio.sleep(60)


async def is_cancelled_as_a_child(operation: Cancelable) -> None:
    """Wait in a child; its parent is told to stop."""
    async with Cancelable(name="child"):
        operation.cancel_sync()
        await anyio.sleep(60)


async def has_a_child_that_ends(operation: Cancelable) -> None:
    """Wait in a child that runs out of time, and go on."""
    async with Cancelable.with_timeout(0.02, move_on=True):
        await anyio.sleep(60)


async def ends_in_a_shield(operation: Cancelable) -> None:
    """Be told to stop in a shield, which is finished first."""
    async with operation.shield():
        operation.cancel_sync()
        await anyio.sleep(0.02)
        operation.context.partial_result = "committed"
    await anyio.sleep(60)


async def is_told_too_late(operation: Cancelable) -> None:
    """Be told to stop, and end without waiting for anything: the result counts."""
    operation.cancel_sync()


async def has_a_stream_that_stalls(operation: Cancelable) -> None:
    """Wait for an item that does not come in time."""
    model = simulate_stream("onetwo", StreamConfig(chunk_size=3, stall_after=1, stall_time=60))
    async for _ in cancelable_stream(model, item_timeout=0.02):
        pass


def after_20_ms(**options: Any) -> Cancelable:
    """Return an operation with a short deadline."""
    return Cancelable.with_timeout(0.02, **options)


def with_a_cancelled_token() -> Cancelable:
    """Return an operation whose token was cancelled before it is entered."""
    token = CancelationToken()
    token.cancel_sync()
    return Cancelable.with_token(token)


OPERATIONS: dict[str, tuple[Callable[[], Cancelable], Callable[[Cancelable], Awaitable[None]]]] = {
    "ends by itself": (Cancelable, ends),
    "fails": (Cancelable, fails),
    "runs out of time": (after_20_ms, wait),
    "runs out of time, moves on": (lambda: after_20_ms(move_on=True), wait),
    "token cancelled before": (with_a_cancelled_token, wait),
    "cancelled by a task": (Cancelable, is_cancelled_by_a_task),
    "cancelled by a thread": (Cancelable, is_cancelled_by_a_thread),
    "receives a signal": (lambda: Cancelable.with_signal(signal.SIGTERM), receives_a_signal),
    "condition becomes true": (lambda: Cancelable.with_condition(lambda: True), wait),
    "cancelled around a child": (Cancelable, is_cancelled_as_a_child),
    "child runs out of time": (Cancelable, has_a_child_that_ends),
    "told to stop in a shield": (Cancelable, ends_in_a_shield),
    "told to stop too late": (Cancelable, is_told_too_late),
    "stream stalls": (Cancelable, has_a_stream_that_stalls),
}


async def outcome(operation: Cancelable, body: Callable[[Cancelable], Awaitable[None]]) -> str:
    """Run a body as an operation; return how it ended, and what left the block."""
    raised = "nothing raised"
    try:
        async with operation:
            await body(operation)
    except (CancelationError, ValueError) as error:
        raised = type(error).__name__.removesuffix("Cancelation")
    return f"{operation.context.status.value}: {raised}"


async def outcomes() -> list[str]:
    """Run all operations, one after the other."""
    return [await outcome(make(), body) for make, body in OPERATIONS.values()]


def main() -> int:
    """Print the table; return 1 if the columns differ."""
    installed = {name: options for name, options in BACKENDS.items() if find_spec(name)}
    columns = [anyio.run(outcomes, **options) for options in installed.values()]
    rows = [("", *installed), *zip(OPERATIONS, *columns, strict=True)]
    for row in rows:
        print("".join(cell.ljust(27) for cell in row).rstrip())
    differ = sum(len(set(row[1:])) > 1 for row in rows[1:])
    print(f"{differ} of {len(OPERATIONS)} differ" if differ else "all backends agree")
    return min(differ, 1)


if __name__ == "__main__":
    sys.exit(main())
