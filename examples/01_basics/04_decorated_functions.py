"""Decorators: functions that are operations.

    uv run python examples/01_basics/04_decorated_functions.py

Shows a function with a timeout, one that gets its operation as an argument, methods, an async generator that never
interrupts its consumer, and functions that share a token.
"""

from collections.abc import AsyncIterator

import anyio

from hother.cancelable import (
    Cancelable,
    CancelationToken,
    ManualCancelation,
    TimeoutCancelation,
    cancelable,
    cancelable_method,
    cancelable_with_token,
    with_current_operation,
)

shutdown = CancelationToken()


@cancelable(timeout=0.05)
async def fetch(url: str) -> str:
    """Fetch something, for a short time at most."""
    await anyio.sleep(10)
    return url


@cancelable
async def process(items: list[str], cancelable: Cancelable | None = None) -> int:
    """Process items; the operation comes by itself, callers do not pass it."""
    assert cancelable is not None
    cancelable.on_progress(lambda operation_id, message, metadata: print(f"  {message}"))
    for item in items:
        await log(f"processing {item}")
    return len(items)


@with_current_operation
async def log(message: str, operation: Cancelable | None = None) -> None:
    """Report progress to whichever operation runs this."""
    if operation is not None:
        await operation.report_progress(message)


class Report:
    """Something with methods."""

    @cancelable_method(timeout=5)
    async def build(self, cancelable: Cancelable | None = None) -> str:
        """Return the name of the operation that this runs as."""
        assert cancelable is not None
        return cancelable.context.name or ""


@cancelable(timeout=0.1)
async def ticks() -> AsyncIterator[int]:
    """Yield numbers. The timeout never fires in the consumer's body, only while it waits for the next number."""
    for number in range(3):
        await anyio.sleep(0.01)
        yield number


@cancelable_with_token(shutdown)
async def serve() -> None:
    """Run until the token is cancelled."""
    await anyio.sleep(10)


async def main() -> None:
    """Show one after the other."""
    try:
        await fetch("https://example.org")
    except TimeoutCancelation as error:
        print(error)
    print(await process(["a", "b"]), "items")
    print(await Report().build())
    async for number in ticks():
        print(f"tick {number}")
    await shutdown.cancel("closing time")
    try:
        await serve()
    except ManualCancelation as error:
        print(error)


if __name__ == "__main__":
    anyio.run(main)
