"""What joins the registries of several processes: the contract of a shared store."""

from __future__ import annotations

from typing import Any, Protocol, TypedDict

from hother.cancelable import CancelationReason

from .filters import OperationFilter
from .records import CancelResult, Event, EventKind, OperationRecord, Page, WorkerRecord


class Statistics(TypedDict):
    """Numbers since the registry, or the shared store, began; each kept in constant time."""

    active_operations: int
    """How many run now."""
    active_by_status: dict[str, int]
    """The same by status."""
    total_started: int
    total_completed: int
    """How many have ended, in whichever way."""
    ended_by_status: dict[str, int]
    ended_by_reason: dict[str, int]
    """How many ended by cancellation, by reason."""
    history_size: int
    history_by_status: dict[str, int]
    """What the history holds."""
    average_duration_seconds: float
    longest_duration_seconds: float
    cancel_latency: dict[str, float]
    """Seconds, mean and greatest: `delivery_mean`, `delivery_max` from asked to told, `unwind_mean`, `unwind_max` from
    told to ended."""


class Local(Protocol):
    """What a backend may ask of its own process, from any thread."""

    def running(self) -> list[OperationRecord]:
        """Return every operation that runs here."""
        ...

    def find(self, operation_id: str) -> OperationRecord | None:
        """Return an operation that runs here."""
        ...

    def cancel(self, operation_id: str, reason: CancelationReason, message: str | None, origin: str | None) -> bool:
        """Tell an operation that runs here to stop; False if there is none, or it was told before."""
        ...

    def loop_lag(self) -> float | None:
        """Return how late the event loops of this process are, in seconds; None where none has run operations."""
        ...


class Backend(Protocol):
    """A shared store.

    `changed` and `ended` are called on the path of operations, from any thread, also from signal handlers: they only
    take note, never wait, take no lock, and never raise. Everything else may wait, and raises `BackendUnavailable`
    where the store cannot be reached; it is called from threads that may wait.
    """

    @property
    def worker(self) -> str:
        """The id of this process; another one after a fork, or when its lease had run out."""
        ...

    def attach(self, local: Local) -> None:
        """Begin to serve a registry. Called once."""
        ...

    def changed(self, operation_id: str, kind: EventKind) -> None:
        """Note that something about a running operation is new; look it up when there is time."""
        ...

    def ended(self, record: OperationRecord) -> None:
        """Note how an operation has ended."""
        ...

    def page(self, wanted: OperationFilter, limit: int, cursor: str | None) -> Page:
        """Return a part of the running operations of all processes, oldest first."""
        ...

    def count(self, wanted: OperationFilter) -> int:
        """Return how many operations of all processes run that a filter is about."""
        ...

    def get(self, operation_id: str) -> OperationRecord | None:
        """Return an operation of any process, also one that has ended not long ago."""
        ...

    def cancel(
        self,
        operation_id: str,
        reason: CancelationReason,
        message: str | None,
        origin: str | None,
        wait: float | None,
    ) -> CancelResult:
        """Tell an operation of any process to stop, and wait so many seconds at most for its end."""
        ...

    def history(self, wanted: OperationFilter, limit: int, since: float | None) -> list[OperationRecord]:
        """Return what has ended, latest first; `since` is in seconds since the epoch."""
        ...

    def workers(self) -> list[WorkerRecord]:
        """Return the processes that take part, and those lost not long ago."""
        ...

    def statistics(self) -> Statistics:
        """Return the numbers of all processes."""
        ...

    def position(self) -> str:
        """Return where the feed of events stands now: the id of the latest."""
        ...

    def events(self, after: str, timeout: float) -> list[Event]:
        """Return what has happened after an event, waiting so many seconds at most; only `MISSED` if that is gone."""
        ...

    def health(self) -> dict[str, Any]:
        """Return how the connection stands.

        `available` (whether it can be used), `queue` (how much waits to be written), `heartbeat_age` (seconds since the
        store has heard of this process, None if never), `error` (why it cannot be used), `errors` (how many attempts
        have failed) and `dropped` (how many ends were too many to keep).
        """
        ...

    def close(self) -> None:
        """Leave: what still runs is told to be lost to the others at once. Registers nothing any more."""
        ...
