"""What runs in this process: followed through the life of each operation, read from any thread."""

from __future__ import annotations

import time
from collections import deque
from typing import Any, Final

import anyio

from hother.cancelable import Cancelable, CancelationReason, Cause, Observer
from hother.cancelable.core import Loop, current_loop

from .backend import Backend
from .entries import Entry
from .errors import DuplicateOperation
from .feed import Feed
from .forks import follow_forks
from .probing import Probe
from .records import EventKind, OperationRecord, Progress
from .statistics import Numbers

LOCAL_WORKER: Final = "local"
"""What this process is called where there is no shared store."""


class Tracker(Observer):
    """Follows operations. Its methods are called on their path, from any thread; no lock is taken that could block.

    Args:
        history_limit: How many ended operations are kept.
        backend: Told of everything as well.
    """

    def __init__(self, history_limit: int, backend: Backend | None) -> None:
        self.numbers: Numbers = Numbers()
        self.feed: Feed = Feed()
        self.history: deque[OperationRecord] = deque(maxlen=history_limit)
        self._entries: dict[str, Entry] = {}
        self._pending: dict[Entry, None] = {}
        self._backend = backend
        self._probe = Probe()
        follow_forks(self)

    @property
    def worker(self) -> str:
        """The id of this process."""
        return LOCAL_WORKER if self._backend is None else self._backend.worker

    def entries(self) -> list[Entry]:
        """Return what runs, oldest first."""
        return list(self._entries.values())

    def entry(self, operation_id: str) -> Entry | None:
        """Return an operation that runs here."""
        return self._entries.get(operation_id)

    def operation(self, operation_id: str) -> Cancelable | None:
        """Return an operation that runs here."""
        entry = self._entries.get(operation_id)
        return None if entry is None else entry.operation

    def counts(self) -> tuple[int, int]:
        """Return how many operations run, and how many were registered and not entered yet."""
        pending = len(self._pending)
        return max(len(self._entries) - pending, 0), pending

    def add(self, operation: Cancelable) -> None:
        """Begin to follow an operation.

        Raises:
            DuplicateOperation: If another one that has not ended has its id.
        """
        entry = Entry(operation)
        if operation.is_pending:
            entry.added = time.time()
            self._pending[entry] = None
        else:
            entry.started = time.time()
        self._take(entry)

    def _take(self, entry: Entry) -> None:
        operation, identity = entry.operation, entry.id
        if self._backend is not None:
            entry.loop = _loop_here()
        known = self._entries.setdefault(identity, entry)
        if known is entry:
            if self._backend is not None or self.feed.is_read:
                self._tell(identity, EventKind.STARTED, entry)
            return
        self._pending.pop(entry, None)
        if known.operation is not operation:
            raise DuplicateOperation(
                f"the id {identity!r} is taken: {known.operation!r} has not ended; give each operation its own "
                "operation_id, or none"
            )
        if known.started is None and entry.started is not None:  # it was registered before it was entered
            known.started, known.loop = entry.started, entry.loop
            self._pending.pop(known, None)
            self._tell(identity, EventKind.STARTED, known)

    def running(self) -> list[OperationRecord]:
        worker = self.worker
        return [record for entry in self.entries() if (record := entry.record(worker)).ended is None]

    def find(self, operation_id: str) -> OperationRecord | None:
        entry = self._entries.get(operation_id)
        record = None if entry is None else entry.record(self.worker)
        return record if record is not None and record.ended is None else None

    def cancel(self, operation_id: str, reason: CancelationReason, message: str | None, origin: str | None) -> bool:
        entry = self._entries.get(operation_id)
        return entry is not None and entry.cancel(reason, message, origin)

    def loop_lag(self) -> float | None:
        return self._probe.lag(entry.loop for entry in self.entries() if entry.loop is not None)

    def find_ended(self, operation_id: str) -> OperationRecord | None:
        """Return an operation that has ended not long ago."""
        return next((each for each in reversed(self.history.copy()) if each.id == operation_id), None)

    def remove(self, operation_id: str) -> bool:
        """Follow an operation no more; False if it was not followed."""
        entry = self._entries.pop(operation_id, None)
        if entry is None:
            return False
        self._pending.pop(entry, None)
        if self._backend is not None:
            self._backend.changed(operation_id, EventKind.FINISHED)  # it looks, and finds nothing
        return True

    def clear(self) -> None:
        """Forget everything."""
        for identity in list(self._entries):
            self.remove(identity)
        self.history.clear()
        self.numbers = Numbers()

    def before_fork(self) -> None:
        """Do nothing: there is no thread and no lock that a child could find held."""

    def after_fork_in_parent(self) -> None:
        """Do nothing."""

    def after_fork(self) -> None:
        """Forget what runs and ran in the parent of this process."""
        self._entries, self._pending = {}, {}
        self.history.clear()
        self.numbers, self.feed = Numbers(), Feed()

    def operation_started(self, operation: Cancelable) -> None:
        entry = Entry(operation)
        entry.started = time.time()
        self._take(entry)

    def progress_reported(self, operation: Cancelable, message: Any, metadata: dict[str, Any] | None) -> None:
        if (entry := self._followed(operation)) is not None:
            entry.progress = Progress(str(message), percent_of(metadata), time.time())
            self._tell(operation.operation_id, EventKind.PROGRESS, entry)

    def cancel_requested(self, operation: Cancelable, cause: Cause) -> None:
        if (entry := self._followed(operation)) is not None:
            entry.requested = time.time()
            self._tell(operation.operation_id, EventKind.CANCEL_REQUESTED, entry)

    def cancel_delivered(self, operation: Cancelable) -> None:
        if (entry := self._followed(operation)) is not None:
            entry.delivered = time.time()
            self._tell(operation.operation_id, EventKind.CANCEL_DELIVERED, entry)

    def operation_stuck(self, operation: Cancelable, report: str) -> None:
        if (entry := self._followed(operation)) is not None:
            entry.stuck = report
            self._tell(operation.operation_id, EventKind.STUCK, entry)

    def operation_ended(self, operation: Cancelable) -> None:
        entry = self._entries.get(operation.operation_id)
        if entry is None or entry.operation is not operation:
            return
        backend = self._backend
        record = entry.record(LOCAL_WORKER if backend is None else backend.worker, time.time())
        if not entry.end(record):
            return
        self.history.append(record)
        self.numbers.add(record)
        self._entries.pop(record.id, None)
        if backend is not None:
            backend.ended(record)
        if entry.waiters is not None:
            entry.tell(record)
        if self.feed.is_read:
            self.feed.publish(EventKind.FINISHED, record)

    def _followed(self, operation: Cancelable) -> Entry | None:
        entry = self._entries.get(operation.operation_id)
        return entry if entry is not None and entry.operation is operation else None

    def _tell(self, identity: str, kind: EventKind, entry: Entry) -> None:
        if self._backend is not None:
            self._backend.changed(identity, kind)
        if self.feed.is_read and entry.started is not None:
            self.feed.publish(kind, entry.record(self.worker))


def percent_of(metadata: dict[str, Any] | None) -> float | None:
    """Return how much is done, from 0 to 100, as the metadata of a report tells."""
    if not metadata:
        return None
    percent, current, total = (metadata.get(key) for key in ("percent", "current", "total"))
    if not isinstance(percent, (int, float)):
        if not (isinstance(current, (int, float)) and isinstance(total, (int, float)) and total > 0):
            return None
        percent = 100.0 * current / total
    return None if percent != percent else float(min(max(percent, 0.0), 100.0))  # NaN says nothing


def _loop_here() -> Loop | None:
    try:
        return current_loop()
    except anyio.NoEventLoopError:  # registered in a thread
        return None
