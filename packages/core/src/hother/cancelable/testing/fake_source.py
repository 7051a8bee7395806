"""A source that a test fires by hand."""

from __future__ import annotations

from hother.cancelable.core import CancelationReason, CancelationSource, Cause, Disarm, Fire


class FakeSource(CancelationSource):
    """Ends its operation when the test says so.

    Args:
        reason: The reason that the operation ends with.
        name: What the record shows as origin.

    Raises:
        TypeError: If the reason is no `CancelationReason`.

    Example:
        ```python
        import anyio

        from hother.cancelable import Cancelable, CancelationReason, DisconnectCancelation
        from hother.cancelable.testing import FakeSource


        async def main() -> None:
            source = FakeSource(CancelationReason.DISCONNECT)
            try:
                async with Cancelable.with_source(source):
                    source.fire("the client has left")
                    await anyio.sleep(1)
            except DisconnectCancelation as error:
                print(error.message)
                #> the client has left


        anyio.run(main)
        ```
    """

    def __init__(self, reason: CancelationReason = CancelationReason.CONDITION, name: str = "FakeSource") -> None:
        if not isinstance(reason, CancelationReason):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"the reason must be a CancelationReason, not {reason!r}")
        self.name = name
        self.times_armed: int = 0
        """How many operations have used it, one after the other."""
        self._why = reason
        self._fire: Fire | None = None

    @property
    def is_armed(self) -> bool:
        """Whether an operation that runs would hear it."""
        return self._fire is not None

    def fire(self, message: str | None = None) -> None:
        """End the operation; from any thread.

        Args:
            message: What the operation's record says.

        Raises:
            RuntimeError: If no operation has it armed.
        """
        self._armed().__call__(Cause(self._why, message, self.name))

    def fail(self, error: BaseException) -> None:
        """Break, which ends the operation with the reason ERROR; from any thread.

        Args:
            error: What broke the source; the `__cause__` of the exception that leaves the operation.

        Raises:
            RuntimeError: If no operation has it armed.
        """
        self._armed().fail(error)

    def arm(self, fire: Fire) -> Disarm:
        self.times_armed += 1
        self._fire = fire
        return self._disarm

    def _disarm(self) -> None:
        self._fire = None

    def _armed(self) -> Fire:
        if self._fire is None:
            raise RuntimeError(f"{self.name} is not armed: fire it while an operation with it runs")
        return self._fire
