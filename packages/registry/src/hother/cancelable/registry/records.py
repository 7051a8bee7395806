"""What the registry tells of an operation: snapshots, which nobody changes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from hother.cancelable import CancelationReason

NO_METADATA: Final[Mapping[str, Any]] = MappingProxyType({})
"""What is attached to most operations."""


class RecordStatus(StrEnum):
    """How an operation stands. The values of `OperationStatus`, which they equal, and one more."""

    PENDING = "pending"
    """Registered, not entered yet."""
    RUNNING = "running"
    """Entered, not left yet; also while it is being cancelled."""
    COMPLETED = "completed"
    """Its body ran to the end."""
    CANCELLED = "cancelled"
    """Its body was interrupted."""
    FAILED = "failed"
    """Its body raised an exception."""
    LOST = "lost"
    """Its process has not been heard of; nobody knows whether it still runs."""


class Progress(NamedTuple):
    """What an operation has reported last."""

    message: str
    """The text of the report."""
    percent: float | None
    """How much is done, from 0 to 100, where the report's metadata says: `percent`, or `current` and `total`."""
    time: float
    """When it was reported, in seconds since the epoch."""


class CancelRequest(NamedTuple):
    """That an operation was told to stop, and how far that has come."""

    reason: CancelationReason
    """Why."""
    message: str | None
    """What the one who asked had to say."""
    origin: str | None
    """The name of the source, operation, task, thread or caller that asked."""
    requested: float | None
    """When it was asked for, in seconds since the epoch; None where only the end is known."""
    delivered: float | None
    """When the operation's event loop was told, in seconds since the epoch; None as long as it was not."""


class OperationRecord(NamedTuple):
    """What is known of one operation at one moment."""

    id: str
    """The operation's id."""
    name: str | None
    """For people."""
    status: RecordStatus
    """How it stands."""
    worker: str
    """The id of the process that it runs in."""
    parent_id: str | None = None
    """The id of the operation that it was entered in."""
    started: float | None = None
    """When it was entered, in seconds since the epoch."""
    ended: float | None = None
    """When it was left, in seconds since the epoch."""
    progress: Progress | None = None
    """Its latest report."""
    cancel: CancelRequest | None = None
    """Whether it was told to stop, and why."""
    error: str | None = None
    """The type and text of the exception that left its body."""
    metadata: Mapping[str, Any] = NO_METADATA
    """What the user attached to it; from another process only what is on the allow-list."""
    stuck: str | None = None
    """Where it sits, if it was told to stop long ago and still runs."""

    @property
    def start_time(self) -> datetime | None:
        """When it was entered (UTC)."""
        return None if self.started is None else datetime.fromtimestamp(self.started, UTC)

    @property
    def end_time(self) -> datetime | None:
        """When it was left (UTC)."""
        return None if self.ended is None else datetime.fromtimestamp(self.ended, UTC)

    @property
    def age(self) -> float:
        """How long it has run, or ran, in seconds; 0 before it was entered."""
        if self.started is None:
            return 0.0
        return max((time.time() if self.ended is None else self.ended) - self.started, 0.0)

    @property
    def duration(self) -> timedelta | None:
        """How long it ran; None as long as it runs."""
        return None if self.ended is None or self.started is None else timedelta(seconds=self.ended - self.started)

    @property
    def has_ended(self) -> bool:
        """Whether it is known to run no more."""
        return self.status in (RecordStatus.COMPLETED, RecordStatus.CANCELLED, RecordStatus.FAILED)

    @property
    def cancel_requested(self) -> bool:
        """Whether it was told to stop."""
        return self.cancel is not None

    @property
    def cancel_reason(self) -> CancelationReason | None:
        """Why it was told to stop."""
        return None if self.cancel is None else self.cancel.reason

    @property
    def cancel_message(self) -> str | None:
        """What the one who told it to stop had to say."""
        return None if self.cancel is None else self.cancel.message

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, fit for JSON as far as `metadata` is."""
        return {
            "id": self.id,
            "name": self.name,
            "status": self.status.value,
            "worker": self.worker,
            "parent_id": self.parent_id,
            "start_time": None if self.start_time is None else self.start_time.isoformat(),
            "end_time": None if self.end_time is None else self.end_time.isoformat(),
            "age": self.age,
            "progress": None if self.progress is None else self.progress._asdict(),
            "cancel": None if self.cancel is None else {**self.cancel._asdict(), "reason": self.cancel.reason.value},
            "error": self.error,
            "metadata": dict(self.metadata),
            "stuck": self.stuck,
        }

    def __reduce__(self) -> tuple[Any, ...]:
        return OperationRecord, tuple(self._replace(metadata=dict(self.metadata)))


class View(StrEnum):
    """How much a listing knows."""

    LOCAL = "local"
    """This process alone: there is no shared store, or it cannot be reached."""
    SHARED = "shared"
    """All processes of the namespace."""


class Page(NamedTuple):
    """A part of a listing."""

    records: list[OperationRecord]
    """The operations, oldest first."""
    cursor: str | None
    """What to ask for the next part with; None at the end."""
    as_of: float
    """When this was so, in seconds since the epoch."""
    view: View
    """How much it knows."""


class CancelState(StrEnum):
    """What has become of a request to cancel. None of them claims an end but ENDED."""

    REQUESTED = "requested"
    """This request was the first; the operation still runs, or its end is not known yet."""
    ALREADY_REQUESTED = "already_requested"
    """Somebody had asked before; that reason stands."""
    ENDED = "ended"
    """The operation has ended, before the request or while it was waited for; the record tells how."""
    NOT_FOUND = "not_found"
    """No operation with this id is known."""


class CancelResult(NamedTuple):
    """What is known after a request to cancel."""

    state: CancelState
    """What has become of the request."""
    record: OperationRecord | None
    """The operation, as far as it is known: how it ended, or how it stands."""


class EventKind(StrEnum):
    """What has happened."""

    STARTED = "started"
    PROGRESS = "progress"
    CANCEL_REQUESTED = "cancel_requested"
    CANCEL_DELIVERED = "cancel_delivered"
    STUCK = "stuck"
    FINISHED = "finished"
    LOST = "lost"
    """Its process has not been heard of, or has left before it ended."""
    WORKER_UP = "worker_up"
    WORKER_LEFT = "worker_left"
    WORKER_LOST = "worker_lost"
    MISSED = "missed"
    """The reader was too slow, or asked for events that are kept no longer: list the operations anew."""


class Event(NamedTuple):
    """Something that has happened, for the feed."""

    id: str
    """Where it stands in the feed; ask for what came after it."""
    kind: EventKind
    """What has happened."""
    time: float
    """When, in seconds since the epoch."""
    record: OperationRecord | None = None
    """The operation as it was then."""
    worker: str | None = None
    """The process that it is about."""


class WorkerState(StrEnum):
    """How a process stands."""

    UP = "up"
    """Its heartbeat comes in time."""
    SUSPECT = "suspect"
    """A heartbeat is overdue, or its event loop is blocked."""
    LOST = "lost"
    """Its lease has run out."""


class WorkerRecord(NamedTuple):
    """One process that takes part."""

    id: str
    """Its id, new for each incarnation."""
    host: str
    pid: int
    state: WorkerState
    version: str
    """The version of this package."""
    started: float
    """When it joined, in seconds since the epoch."""
    heartbeat: float
    """When it was heard of last, in seconds since the epoch."""
    operations: int
    """How many operations run in it."""
    loop_lag: float | None
    """How late its event loops are, in seconds; None where none is known."""
