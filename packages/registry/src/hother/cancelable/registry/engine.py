"""What both registries answer: from what runs here, and from the shared store where there is one.

Nothing here waits but for the store, and only the functions that say so.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final, TypeVar

from hother.cancelable import CancelationReason
from hother.cancelable.core import require

from .backend import Backend, Statistics
from .entries import Entry, Place
from .errors import BackendUnavailable
from .filters import EVERYTHING, OperationFilter
from .records import (
    CancelResult,
    CancelState,
    OperationRecord,
    Page,
    RecordStatus,
    View,
    WorkerRecord,
)
from .tracking import Tracker

T = TypeVar("T")

MOST: Final = 500
"""How many operations a page has at most."""
_LOCAL: Final = "local:"
"""What the cursors of listings of this process alone begin with."""
_BEGINNING: Final = (-1.0, "")


class Engine:
    """Answers for one registry.

    Args:
        backend: The shared store.
        history_limit: How many ended operations are kept here.
    """

    def __init__(self, backend: Backend | None, history_limit: int) -> None:
        if backend is not None and (isinstance(backend, type) or not callable(getattr(backend, "attach", None))):
            # an address may hold a password, so it is not told
            kind = type(backend).__name__
            raise TypeError(f"backend must be a Backend, like RedisBackend('redis://localhost'), not a {kind}")
        self.backend: Backend | None = backend
        self.tracker: Tracker = Tracker(history_limit, backend)
        if backend is not None:
            backend.attach(self.tracker)

    def get(self, operation_id: str) -> OperationRecord | None:
        """Return an operation that runs, or has ended not long ago; waits for the store unless it runs here."""
        require(str, operation_id, "operation_id", "a string")
        entry = self.tracker.entry(operation_id)
        found = None if entry is None else entry.final or entry.record(self.tracker.worker)
        if found is None and self.backend is not None:
            found = self._shared_or(lambda store: store.get(operation_id), lambda: None)
        return found or self.tracker.find_ended(operation_id)

    def page(self, wanted: OperationFilter, limit: int, cursor: str | None) -> Page:
        """Return a part of what runs, oldest first; waits for the store.

        Raises:
            BackendUnavailable: If the store gave the cursor, and cannot be reached.
        """
        if cursor is not None:
            require(str, cursor, "cursor", "what a page gave")
            if self.backend is not None and not cursor.startswith(_LOCAL):
                return self.backend.page(wanted, limit, cursor)
            return self._local_page(wanted, limit, _place(cursor))
        return self._shared_or(
            lambda store: store.page(wanted, limit, None), lambda: self._local_page(wanted, limit, _BEGINNING)
        )

    def running(self, wanted: OperationFilter) -> list[OperationRecord]:
        """Return all that runs; waits for the store."""
        if self.backend is None:
            here = self.tracker.running()
            return here if wanted == EVERYTHING else [record for record in here if wanted.matches(record)]
        return self._shared_or(
            lambda store: _all_pages(store, wanted), lambda: list(filter(wanted.matches, self.tracker.running()))
        )

    def count(self, wanted: OperationFilter) -> int:
        """Return how many operations run; waits for the store."""
        return self._shared_or(
            lambda store: store.count(wanted), lambda: sum(map(wanted.matches, self.tracker.running()))
        )

    def cancel_here(self, entry: Entry, reason: CancelationReason, message: str | None) -> CancelResult:
        """Tell an operation of this process to stop. The first request is one also where the end comes at once."""
        first = entry.cancel(reason, message, None)
        record = entry.final or entry.record(self.tracker.worker)
        if first:
            return CancelResult(CancelState.REQUESTED, record)
        return CancelResult(CancelState.ENDED if record.has_ended else CancelState.ALREADY_REQUESTED, record)

    def cancel_elsewhere(
        self, operation_id: str, reason: CancelationReason, message: str | None, wait: float | None
    ) -> CancelResult:
        """Tell an operation of another process to stop, or say how it ended; waits for the store.

        The store comes first: an operation that has ended here may have begun again elsewhere, under the same id.

        Raises:
            BackendUnavailable: If the store cannot be reached, and the operation is not known here.
        """
        result = CancelResult(CancelState.NOT_FOUND, None)
        if self.backend is not None:
            try:
                result = self.backend.cancel(operation_id, reason, message, self.backend.worker, wait)
            except BackendUnavailable:
                if self.tracker.find_ended(operation_id) is None:
                    raise
        if result.state is CancelState.NOT_FOUND:
            ended = self.tracker.find_ended(operation_id)
            return result if ended is None else CancelResult(CancelState.ENDED, ended)
        return result

    def history(self, wanted: OperationFilter, limit: int | None, since: float | None) -> list[OperationRecord]:
        """Return what has ended, latest first; waits for the store."""
        return self._shared_or(
            lambda store: store.history(wanted, MOST if limit is None else limit, since),
            lambda: self._local_history(wanted, limit, since),
        )

    def statistics(self) -> Statistics:
        """Return the numbers; waits for the store."""
        return self._shared_or(lambda store: store.statistics(), self._local_statistics)

    def workers(self) -> list[WorkerRecord]:
        """Return the processes that take part; waits for the store.

        Raises:
            BackendUnavailable: If the store cannot be reached.
        """
        return [] if self.backend is None else self.backend.workers()

    def position(self) -> str:
        """Return where the feed of events stands; waits for the store.

        Raises:
            BackendUnavailable: If the store cannot be reached.
        """
        return self.tracker.feed.begin() if self.backend is None else self.backend.position()

    def health(self) -> dict[str, Any]:
        """Return how the connection to the store stands."""
        return {"available": True, "view": View.LOCAL} if self.backend is None else self.backend.health()

    def clean_up(self, older_than: float | None, keep_failed: bool) -> int:
        """Forget ended operations of this process; return how many."""
        before = None if older_than is None else time.time() - older_than
        history = self.tracker.history
        gone = [
            record
            for record in history.copy()
            if (before is None or (record.ended or 0.0) <= before)
            and not (keep_failed and record.status is RecordStatus.FAILED)
        ]
        for record in gone:
            try:
                history.remove(record)
            except ValueError:  # pushed out meanwhile
                pass
        return len(gone)

    def _shared_or(self, shared: Callable[[Backend], T], local: Callable[[], T]) -> T:
        if self.backend is not None:
            try:
                return shared(self.backend)
            except BackendUnavailable:
                pass
        return local()

    def _local_page(self, wanted: OperationFilter, limit: int, after: Place) -> Page:
        worker, found = self.tracker.worker, list[tuple[Place, OperationRecord]]()
        places = {place: entry for entry in self.tracker.entries() if (place := entry.place) > after}
        for place in sorted(places):
            record = places[place].record(worker)
            if record.ended is None and wanted.matches(record):
                found.append((place, record))
            if len(found) > limit:
                break
        more = _cursor(found[limit - 1][0]) if len(found) > limit else None
        return Page([record for _, record in found[:limit]], more, time.time(), View.LOCAL)

    def _local_history(self, wanted: OperationFilter, limit: int | None, since: float | None) -> list[OperationRecord]:
        ended = reversed(self.tracker.history.copy())
        found = [each for each in ended if wanted.matches(each) and (since is None or (each.ended or 0.0) >= since)]
        return found[:limit]

    def _local_statistics(self) -> Statistics:
        numbers, history = self.tracker.numbers, self.tracker.history.copy()
        running, pending = self.tracker.counts()
        active, ended = {"running": running, "pending": pending}, sum(numbers.by_status.values())
        return Statistics(
            active_operations=running + pending,
            active_by_status={status: count for status, count in active.items() if count},
            total_started=ended + running,
            total_completed=ended,
            ended_by_status={status.value: count for status, count in numbers.by_status.items() if count},
            ended_by_reason={reason.value: count for reason, count in numbers.by_reason.items() if count},
            history_size=len(history),
            history_by_status=dict(Counter(each.status.value for each in history)),
            average_duration_seconds=numbers.durations.mean,
            longest_duration_seconds=numbers.durations.longest,
            cancel_latency=numbers.latencies(),
        )


def _all_pages(store: Backend, wanted: OperationFilter) -> list[OperationRecord]:
    page = store.page(wanted, MOST, None)
    records = page.records
    while page.cursor is not None:
        page = store.page(wanted, MOST, page.cursor)
        records = records + page.records
    return records


def _cursor(place: Place) -> str:
    moment, identity = place
    return f"{_LOCAL}{moment!r}:{identity}"


def _place(cursor: str) -> Place:
    moment, separator, identity = cursor.removeprefix(_LOCAL).partition(":")
    try:
        if not separator:
            raise ValueError
        return float(moment), identity
    except ValueError:
        raise ValueError(f"the cursor {cursor!r} is none that a page gave; ask for the first page with None") from None
