"""Stopping an operation: asked from outside, looked for from inside, put off by a shield or a later deadline."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from .backend import current_loop
from .cause import requested
from .checking import check
from .following import Followed
from .reason import PENDING, CancelationReason
from .seconds import positive_seconds
from .shield import shield
from .waiting import wait_for_end

if TYPE_CHECKING:
    from datetime import timedelta

    import anyio

    from .context import OperationContext


class Stoppable(Followed):
    """An operation that can be told to stop."""

    __slots__ = ()

    async def cancel(
        self, reason: CancelationReason | str = CancelationReason.MANUAL, message: str | None = None
    ) -> bool:
        """Tell this operation and its children to stop; they are interrupted at their next checkpoint.

        This is no checkpoint itself: code inside the operation goes on to its next one.

        Args:
            reason: Why. A plain string is taken as the message of a manual request.
            message: What to tell the reader of the record.

        Returns:
            Whether this call was the first. False once the operation has ended.

        Raises:
            TypeError: If an argument has the wrong type.
        """
        cause, here = requested(reason, message)
        return self._token._request(cause, here)

    def cancel_sync(
        self, reason: CancelationReason | str = CancelationReason.MANUAL, message: str | None = None
    ) -> bool:
        """Do the same from any thread or signal handler: it never waits, and the operation's loop is woken.

        Args:
            reason: Why. A plain string is taken as the message of a manual request.
            message: What to tell the reader of the record.

        Returns:
            Whether this call was the first. False once the operation has ended.

        Raises:
            TypeError: If an argument has the wrong type.
        """
        cause, _ = requested(reason, message)
        return self._token._request(cause, None)

    async def cancel_and_wait(
        self,
        timeout: float | timedelta | None = None,
        reason: CancelationReason | str = CancelationReason.MANUAL,
        message: str | None = None,
    ) -> OperationContext:
        """Tell this operation to stop and wait until it has, from another task or loop.

        Args:
            timeout: How long to wait at most, in seconds; None waits for ever.
            reason: Why. A plain string is taken as the message of a manual request.
            message: What to tell the reader of the record.

        Returns:
            The record, which tells how it ended.

        Raises:
            RuntimeError: In the operation's own body, which would wait for itself.
            TimeoutError: If it has not ended in time. The request stands.
            TypeError: If an argument has the wrong type.
            ValueError: If the timeout is zero, negative or NaN.
        """
        seconds = None if timeout is None else positive_seconds(timeout, "timeout")
        return await wait_for_end(self, seconds, reason, message)

    def check(self) -> None:
        """Raise if this operation was told to stop, or one above it that encloses it; for code without checkpoints.

        In a thread of `run_in_thread` this sees every cancellation of the awaiting task. Inside `shield` it is silent.

        Raises:
            CancelationError: The class that belongs to the reason.
        """
        check(self)

    async def check_cancelation(self) -> None:
        """Be interrupted here if there is a cancellation, and go on at once if there is none.

        Raises:
            CancelationError: As `check` does, where the operation was told to stop and its loop does not know yet.
        """
        from anyio.lowlevel import checkpoint_if_cancelled

        await checkpoint_if_cancelled()
        check(self)

    def shield(self, timeout: float | timedelta | None = None) -> AbstractAsyncContextManager[anyio.CancelScope]:
        """Protect a stretch of the body: no cancellation reaches it; a pending one is delivered right after it.

        Like every shield of anyio it keeps off scopes, operations among them, but not asyncio's own `task.cancel()`,
        `asyncio.timeout` and `asyncio.wait_for`.

        Args:
            timeout: How long the protection lasts at most, in seconds. Then the stretch itself is cut off.

        Returns:
            A context manager that gives the shielding scope.

        Raises:
            TimeoutError: If the stretch was cut off and no cancellation is pending.
            ValueError: If the timeout is zero, negative or NaN.

        Example:
            ```python
            import anyio

            from hother.cancelable import Cancelable, TimeoutCancelation


            async def main() -> None:
                try:
                    async with Cancelable.with_timeout(0.05) as cancel:
                        async with cancel.shield(timeout=5):
                            await anyio.sleep(0.1)
                            print("committed")
                            #> committed
                        print("never printed")
                except TimeoutCancelation:
                    print("timed out")
                    #> timed out


            anyio.run(main)
            ```
        """
        return shield(self, None if timeout is None else positive_seconds(timeout, "timeout"))

    def reschedule(self, timeout: float | timedelta | None) -> None:
        """Move the deadline: so many seconds from now, or from entry where that is still to come; None lifts it.

        A request to stop that was made already stands.

        Raises:
            TypeError: If it is no time span.
            ValueError: If it is zero, negative or NaN.
            RuntimeError: If the operation has ended, or outside its event loop.
        """
        seconds = None if timeout is None else positive_seconds(timeout, "timeout")
        if self._status is PENDING:
            self._timeout = seconds
            return
        if not self.is_running or current_loop() is not self._loop:
            raise RuntimeError(f"the deadline of {self._label()} can be moved only while it runs, on its own loop")
        if seconds is None:
            self._lift_deadline()
        else:
            self._timeout = seconds
            self._set_deadline(self._backend.now(self._loop) + seconds)
