"""A shared store in this process, which can be away and can be slow; it notes who calls it."""

from __future__ import annotations

import threading
import time
from typing import Any

from hother.cancelable import CancelationReason
from hother.cancelable.registry import (
    BackendUnavailable,
    CancelResult,
    CancelState,
    Event,
    EventKind,
    Local,
    OperationFilter,
    OperationRecord,
    Page,
    RecordStatus,
    Statistics,
    View,
    WorkerRecord,
    WorkerState,
)

THERE = OperationRecord("there", "far", RecordStatus.RUNNING, "elsewhere", started=1.0)
"""An operation of another process."""
NUMBERS = Statistics(
    active_operations=7,
    active_by_status={"running": 7},
    total_started=9,
    total_completed=2,
    ended_by_status={"completed": 2},
    ended_by_reason={},
    history_size=2,
    history_by_status={"completed": 2},
    average_duration_seconds=1.0,
    longest_duration_seconds=2.0,
    cancel_latency={},
)


class FakeBackend:
    """Knows what it was told, and one operation of another process."""

    worker = "here"

    def __init__(self) -> None:
        self.away = False
        """Whether it cannot be reached."""
        self.answering = threading.Event()
        """Questions wait for this."""
        self.answering.set()
        self.page_size = 500
        self.told: list[tuple[str, str]] = []
        self.asked: list[str] = []
        self.threads: set[str] = set()
        self.cancelled: list[tuple[Any, ...]] = []
        self.lost_after: int | None = None
        """After how many more questions it cannot be reached."""

    def attach(self, local: Local) -> None:
        self.local = local

    def changed(self, operation_id: str, kind: EventKind) -> None:
        self.told.append((operation_id, kind.value))

    def ended(self, record: OperationRecord) -> None:
        self.told.append((record.id, record.status.value))

    def _answer(self, question: str) -> None:
        self.asked.append(question)
        self.threads.add(threading.current_thread().name)
        self.answering.wait()
        if self.lost_after is not None:
            self.lost_after -= 1
            self.away = self.lost_after < 0
        if self.away:
            raise BackendUnavailable("the fake store is away")

    def _all(self, wanted: OperationFilter) -> list[OperationRecord]:
        return [record for record in (THERE, *self.local.running()) if wanted.matches(record)]

    def page(self, wanted: OperationFilter, limit: int, cursor: str | None) -> Page:
        self._answer("page")
        first, records = int(cursor or 0), self._all(wanted)
        after = first + min(limit, self.page_size)
        return Page(records[first:after], str(after) if after < len(records) else None, time.time(), View.SHARED)

    def count(self, wanted: OperationFilter) -> int:
        self._answer("count")
        return len(self._all(wanted))

    def get(self, operation_id: str) -> OperationRecord | None:
        self._answer("get")
        return THERE if operation_id == THERE.id else None

    def cancel(
        self, operation_id: str, reason: CancelationReason, message: str | None, origin: str | None, wait: float | None
    ) -> CancelResult:
        self._answer("cancel")
        self.cancelled.append((operation_id, reason, message, origin, wait))
        known = operation_id == THERE.id
        return CancelResult(CancelState.REQUESTED if known else CancelState.NOT_FOUND, THERE if known else None)

    def history(self, wanted: OperationFilter, limit: int, since: float | None) -> list[OperationRecord]:
        self._answer("history")
        return [THERE._replace(status=RecordStatus.COMPLETED, ended=2.0)][:limit]

    def workers(self) -> list[WorkerRecord]:
        self._answer("workers")
        return [WorkerRecord("here", "host", 1, WorkerState.UP, "0.1.0", 1.0, 2.0, 3, None)]

    def statistics(self) -> Statistics:
        self._answer("statistics")
        return NUMBERS

    def position(self) -> str:
        self._answer("position")
        return "10"

    def events(self, after: str, timeout: float) -> list[Event]:
        self._answer("events")
        number = int(after) + 1
        return [Event(str(number), EventKind.PROGRESS, float(number), THERE, "elsewhere")]

    def health(self) -> dict[str, Any]:
        return {"available": not self.away}

    def close(self) -> None:
        self._answer("close")
