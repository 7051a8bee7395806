"""The registry for code without an event loop: the same answers, blocking, from any thread."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Unpack

from hother.cancelable import Cancelable, CancelationReason
from hother.cancelable.core import require

from .arguments import cancel_arguments, ended_filter, epoch, seconds_or_none, whole_number
from .backend import Statistics
from .engine import MOST
from .events import BlockingEventFeed
from .filters import FilterOptions, FiltersButStatus, MoreFilters, OperationFilter, Statuses
from .joining import join, leave, track, track_no_more
from .records import CancelResult, CancelState, OperationRecord, Page, WorkerRecord
from .registry import OperationRegistry
from .tree import TreeNode, tree_of
from .waiting import refuse_on_loop, wait_for_end_sync


class ThreadSafeRegistry:
    """A view of an `OperationRegistry` whose methods block instead of being awaited; nothing has to be started.

    In a coroutine use the `OperationRegistry` itself: waiting here would hold up the event loop.

    Args:
        registry: The registry; without one that of the process.

    Raises:
        TypeError: If it is no `OperationRegistry`.

    Example:
        ```python
        from hother.cancelable import ThreadSafeRegistry

        registry = ThreadSafeRegistry()
        print(registry.get_statistics()["active_operations"])
        #> 0
        ```
    """

    def __init__(self, registry: OperationRegistry | None = None) -> None:
        if registry is None:
            registry = OperationRegistry.get_instance()
        elif not isinstance(registry, OperationRegistry):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"registry must be an OperationRegistry, not {registry!r}")
        self._engine = registry.engine

    @property
    def is_shared(self) -> bool:
        """See `OperationRegistry.is_shared`."""
        return self._engine.backend is not None

    @classmethod
    def get_instance(cls) -> ThreadSafeRegistry:
        """Return a view of the registry of the process."""
        return cls()

    def track_all(self) -> None:
        """See `OperationRegistry.track_all`."""
        track(self._engine)

    def track_no_more(self) -> None:
        """See `OperationRegistry.track_no_more`."""
        track_no_more(self._engine)

    def register(self, operation: Cancelable) -> None:
        """See `OperationRegistry.register`."""
        join(self._engine, operation)

    def unregister(self, operation_id: str) -> bool:
        """See `OperationRegistry.unregister`."""
        return leave(self._engine, operation_id)

    def get_operation(self, operation_id: str) -> Cancelable | None:
        """See `OperationRegistry.get_operation`."""
        require(str, operation_id, "operation_id", "a string")
        return self._engine.tracker.operation(operation_id)

    def get(self, operation_id: str) -> OperationRecord | None:
        """See `OperationRegistry.get`."""
        return self._engine.get(operation_id)

    def list_operations(
        self,
        status: Statuses | None = None,
        parent_id: str | None = None,
        name_pattern: str | None = None,
        **more: Unpack[MoreFilters],
    ) -> list[OperationRecord]:
        """See `OperationRegistry.list_operations`."""
        wanted = OperationFilter.of({"status": status, "parent_id": parent_id, "name_pattern": name_pattern, **more})
        return self._engine.running(wanted)

    def page(self, limit: int = 100, cursor: str | None = None, **filters: Unpack[FilterOptions]) -> Page:
        """See `OperationRegistry.page`."""
        return self._engine.page(OperationFilter.of(filters), min(whole_number(limit, "limit", 1), MOST), cursor)

    def count(self, **filters: Unpack[FilterOptions]) -> int:
        """See `OperationRegistry.count`."""
        return self._engine.count(OperationFilter.of(filters))

    def tree(self, root: str | None = None) -> list[TreeNode]:
        """See `OperationRegistry.tree`."""
        return tree_of(self._engine.running(OperationFilter()), root)

    def cancel(
        self,
        operation_id: str,
        reason: CancelationReason = CancelationReason.MANUAL,
        message: str | None = None,
        *,
        wait: float | timedelta | None = None,
    ) -> CancelResult:
        """See `OperationRegistry.cancel`.

        Raises:
            RuntimeError: If it should wait in the thread of a running event loop, which it would block.
        """
        cancel_arguments(operation_id, reason, message)
        seconds = seconds_or_none(wait, "wait")
        if seconds is not None:
            refuse_on_loop("cancel(wait=...)", "`await OperationRegistry.cancel(...)`")
        entry = self._engine.tracker.entry(operation_id)
        if entry is None:
            return self._engine.cancel_elsewhere(operation_id, reason, message, seconds)
        here = self._engine.cancel_here(entry, reason, message)
        if seconds is None or here.state is CancelState.ENDED:
            return here
        ended = wait_for_end_sync(entry, seconds)
        return here if ended is None else CancelResult(CancelState.ENDED, ended)

    def cancel_operation(
        self,
        operation_id: str,
        reason: CancelationReason = CancelationReason.MANUAL,
        message: str | None = None,
    ) -> bool:
        """See `OperationRegistry.cancel_operation`."""
        return self.cancel(operation_id, reason, message).state is CancelState.REQUESTED

    def cancel_all(
        self,
        status: Statuses | None = None,
        reason: CancelationReason = CancelationReason.MANUAL,
        message: str | None = None,
        **filters: Unpack[FiltersButStatus],
    ) -> int:
        """See `OperationRegistry.cancel_all`."""
        cancel_arguments("", reason, message)
        records = self._engine.running(OperationFilter.of({"status": status, **filters}))
        return sum(self.cancel_operation(record.id, reason, message) for record in records)

    def get_history(
        self,
        limit: int | None = None,
        status: Statuses | None = None,
        since: datetime | float | None = None,
        *,
        name_pattern: str | None = None,
    ) -> list[OperationRecord]:
        """See `OperationRegistry.get_history`."""
        most = None if limit is None else whole_number(limit, "limit", 0)
        return self._engine.history(ended_filter(status, name_pattern), most, epoch(since))

    def get_statistics(self) -> Statistics:
        """See `OperationRegistry.get_statistics`."""
        return self._engine.statistics()

    def cleanup_completed(self, older_than: float | timedelta | None = None, keep_failed: bool = True) -> int:
        """See `OperationRegistry.cleanup_completed`."""
        return self._engine.clean_up(seconds_or_none(older_than, "older_than"), keep_failed)

    def clear_all(self) -> None:
        """See `OperationRegistry.clear_all`."""
        self._engine.tracker.clear()

    def workers(self) -> list[WorkerRecord]:
        """See `OperationRegistry.workers`."""
        return self._engine.workers()

    def health(self) -> dict[str, Any]:
        """See `OperationRegistry.health`."""
        return self._engine.health()

    def position(self) -> str:
        """See `OperationRegistry.position`."""
        return self._engine.position()

    def events(self, after: str | None = None, *, timeout: float | timedelta | None = None) -> BlockingEventFeed:
        """Follow what happens, from now on or after an event whose id is known.

        Args:
            after: The id of the last event that is known.
            timeout: After how long without any event the iteration ends, in seconds or as a `timedelta`.

        Raises:
            BackendUnavailable: If there is a shared store that cannot be reached.
            TypeError: If the timeout is no time span.
            ValueError: If it is zero, negative or NaN.
        """
        return BlockingEventFeed(self._engine, after, seconds_or_none(timeout, "timeout"))

    def close(self) -> None:
        """See `OperationRegistry.close`."""
        if self._engine.backend is not None:
            self._engine.backend.close()
