"""What sources have in common that are armed by callback and need no task."""

from __future__ import annotations

import anyio

from hother.cancelable import Cancelable, CancelationSource, Cause


class ArmedSource(CancelationSource):
    """A source that an operation arms; awaited by itself, it is armed by an operation of its own."""

    async def wait(self) -> Cause:
        """Wait until it fires.

        Returns:
            Why it did.

        Raises:
            RuntimeError: If an operation uses the source already.
            Exception: What broke the source.
        """
        async with Cancelable.with_source(self, detached=True, move_on=True) as operation:
            await anyio.sleep_forever()
        cause = operation.token.cause
        assert cause is not None  # nothing else ends this operation and lets its block be left
        if cause.error is not None:
            raise cause.error
        return cause


def nothing_to_disarm() -> None:
    """Stop watching, for a source that has fired already or is watched by others."""
