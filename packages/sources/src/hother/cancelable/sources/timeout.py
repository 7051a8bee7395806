"""A source that fires when time is up."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

import anyio

from hother.cancelable import CancelationReason, CancelationSource
from hother.cancelable.core import Disarm, Fire, current_backend, positive_seconds

from .armed import nothing_to_disarm


class TimeoutSource(CancelationSource):
    """Fires so long after the operation was entered.

    Where nothing else is needed to end the operation, this becomes its deadline: it can be read and moved there, and
    takes neither a task nor a timer of its own.

    Args:
        timeout: In seconds or as a `timedelta`.
        name: What the operation's record shows as origin. A timeout that is named keeps its own time, beside the
            operation's deadline.

    Raises:
        TypeError: If the timeout is no time span.
        ValueError: If it is zero, negative or NaN.

    Example:
        ```python
        import anyio

        from hother.cancelable import Cancelable
        from hother.cancelable.sources import TimeoutSource


        async def main() -> None:
            async with Cancelable.with_source(TimeoutSource(60)) as operation:
                print(round(operation.remaining()))
                #> 60


        anyio.run(main)
        ```
    """

    reason: ClassVar[CancelationReason] = CancelationReason.TIMEOUT

    def __init__(self, timeout: float | timedelta, name: str | None = None) -> None:
        self.timeout: float = positive_seconds(timeout, "timeout")
        self.name: str = name or ""

    async def wait(self) -> str:
        """Wait for that time."""
        await anyio.sleep(self.timeout)
        return self._message

    def arm(self, fire: Fire) -> Disarm:
        """Become the deadline of the operation, or set a timer."""
        if not self.name and fire.set_deadline(self.timeout):
            return nothing_to_disarm
        backend, loop, _ = current_backend()
        return backend.call_at(loop, backend.now(loop) + self.timeout, lambda: fire.now(self._message)).cancel

    @property
    def _message(self) -> str:
        return f"{self.timeout:g} s have passed"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.timeout:g})"
