"""A source that fires when time is up."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

import anyio

from hother.cancelable import CancelationReason, CancelationSource
from hother.cancelable.core import Disarm, Fire, current_backend, positive_seconds

from .armed import nothing_to_disarm
from .names import optional_name


class TimeoutSource(CancelationSource):
    """Fires so long after the operation was entered.

    Where nothing else is needed to end the operation, this becomes its deadline: it can be read and moved there, and
    takes neither a task nor a timer of its own. In an all-of it has a timer, and the record is the same.

    Args:
        timeout: In seconds or as a `timedelta`.
        name: What the operation's record shows as origin, instead of "timeout". A timeout that is named keeps its own
            time, beside the operation's deadline.

    Raises:
        TypeError: If the timeout is no time span, or the name no str.
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
        given = optional_name(name)
        self._is_named = bool(given)
        self.name: str = given or "timeout"

    async def wait(self) -> str:
        """Wait for that time."""
        await anyio.sleep(self.timeout)
        return self._message

    def arm(self, fire: Fire) -> Disarm:
        """Become the deadline of the operation, or set a timer."""
        if not self._is_named and fire.set_deadline(self.timeout):
            return nothing_to_disarm
        backend, loop, _ = current_backend()
        return backend.call_at(loop, fire.entered_at + self.timeout, lambda: fire.now(self._message)).cancel

    @property
    def _message(self) -> str:
        return f"not done within {self.timeout:g} s"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.timeout:g})"
