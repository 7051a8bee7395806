"""What the tests of several modules use."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import anyio
import anyio.lowlevel

from hother.cancelable import Cancelable, CancelationSource, cancelable, current_operation


def here() -> Cancelable:
    """Return the operation that runs this."""
    operation = current_operation()
    assert operation is not None
    return operation


@cancelable
async def count(to: int, cancelable: Cancelable | None = None) -> AsyncGenerator[int, None]:
    """Count."""
    for number in range(to):
        assert cancelable is current_operation()
        await anyio.lowlevel.checkpoint()
        yield number


class Gate(CancelationSource):
    """Waits for its event and fires, or fails with an error."""

    def __init__(self, message: str | None = "the gate is open", error: Exception | None = None) -> None:
        self.event = anyio.Event()
        self.message = message
        self.error = error
        self.log: list[str] = []

    async def wait(self) -> str | None:
        self.log.append("started")
        try:
            await self.event.wait()
        except anyio.get_cancelled_exc_class():
            self.log.append("cancelled")
            raise
        if self.error is not None:
            raise self.error
        return self.message
