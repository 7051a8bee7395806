"""The assertion that a block is cancelled, and why."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from hother.cancelable.core import CancelationError, CancelationReason, OperationContext


class assert_cancelled:  # noqa: N801  # used like a function, as pytest.raises is
    """Asserts that the block within is ended by a `CancelationError`, which goes no further.

    `error` is the exception then, and `context` the record of the operation. Everything else that is raised passes.

    Args:
        reason: Why; any reason unless given.
        message: What the one who cancelled it had to say; anything unless given.

    Raises:
        AssertionError: If the block ended without one, or for another reason, or with another message.
        TypeError: If the reason is no `CancelationReason`.
        ValueError: If the reason is EXTERNAL: that leaves a block as the backend's own cancellation.

    Example:
        ```python
        import anyio

        from hother.cancelable import Cancelable, CancelationReason
        from hother.cancelable.testing import assert_cancelled


        async def main() -> None:
            with assert_cancelled(reason=CancelationReason.TIMEOUT) as cancelled:
                async with Cancelable.with_timeout(0.01, name="report"):
                    await anyio.sleep(1)
            print(cancelled.context.name)
            #> report


        anyio.run(main)
        ```
    """

    def __init__(self, reason: CancelationReason | None = None, message: str | None = None) -> None:
        if reason is not None and not isinstance(reason, CancelationReason):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"the reason must be a CancelationReason, not {reason!r}")
        if reason is CancelationReason.EXTERNAL:
            raise ValueError(
                "a cancellation from outside leaves the block as the backend's own and must not be caught here; look "
                "at the `context` of the operation instead"
            )
        self._reason = reason
        self._message = message
        self._error: CancelationError | None = None

    @property
    def error(self) -> CancelationError:
        """What has left the block.

        Raises:
            RuntimeError: Before the end of the block.
        """
        if self._error is None:
            raise RuntimeError("the block has not ended yet; look at this after it")
        return self._error

    @property
    def context(self) -> OperationContext:
        """The record of the operation that was cancelled.

        Raises:
            RuntimeError: Before the end of the block, or if it was no operation but a token's `check`.
        """
        if self.error.context is None:
            raise RuntimeError(f"{self.error!r} belongs to no operation")
        return self.error.context

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if error is None:
            raise AssertionError(f"the block ended as if nothing had cancelled it; expected {self._wanted()}")
        if not isinstance(error, CancelationError):
            return False
        if self._reason is not None and error.reason is not self._reason:
            raise AssertionError(f"expected {self._wanted()}, but: {error}") from error
        if self._message is not None and error.message != self._message:
            raise AssertionError(f"expected {self._wanted()}, but: {error}") from error
        self._error = error
        return True

    def _wanted(self) -> str:
        reason = "a cancellation" if self._reason is None else f"a cancellation with the reason {self._reason.name}"
        return reason if self._message is None else f"{reason} and the message {self._message!r}"
