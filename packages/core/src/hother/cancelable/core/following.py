"""Following an operation: its callbacks and its progress."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Self

from .callbacks import ErrorCallback, ProgressCallback, StatusCallback, as_one, checked, log_failure, settle
from .lifecycle import Lifecycle
from .observer import notify


class Followed(Lifecycle):
    """An operation that tells others how it goes."""

    __slots__ = ()

    def on_start(self, callback: StatusCallback) -> Self:
        """Have a function called with the context when the operation is entered."""
        return self._on("start", callback)

    def on_complete(self, callback: StatusCallback) -> Self:
        """Have a function called with the context when the body has run to its end."""
        return self._on("complete", callback)

    def on_cancel(self, callback: StatusCallback) -> Self:
        """Have a function called with the context when the operation has ended by cancellation.

        It runs shielded from further cancellation, for `callback_timeout` seconds at most.
        """
        return self._on("cancel", callback)

    def on_error(self, callback: ErrorCallback) -> Self:
        """Have a function called with the context and the exception when the body has raised one."""
        return self._on("error", callback)

    def on_progress(self, callback: ProgressCallback) -> Self:
        """Have a function called with the id, the message and the metadata of each `report_progress`.

        Like all callbacks it may be sync or async, and is logged and passed over when it raises.

        Raises:
            TypeError: If it cannot be called.
        """
        self._progress = as_one((self._progress, checked(callback)))
        return self

    def _on(self, event: str, callback: Callable[..., object]) -> Self:
        if self._callbacks is None:
            self._callbacks = {}
        self._callbacks.setdefault(event, []).append(checked(callback))
        return self

    async def report_progress(self, message: Any, metadata: dict[str, Any] | None = None) -> None:
        """Tell those who follow this operation how far it is.

        Args:
            message: For people, or anything the callbacks understand.
            metadata: Values for machines, for example `{"percent": 40}`.
        """
        follow = self._progress
        if follow is not None:
            try:
                result = follow(self._id or self.operation_id, message, metadata)
            except (Exception, asyncio.CancelledError) as error:
                log_failure(follow, error)
            else:
                if result is not None:
                    await settle(follow, result)
        if self._observers:
            notify(self, "progress_reported", message, metadata)
