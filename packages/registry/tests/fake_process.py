"""A process that takes part, without operations: what a backend needs to know of one."""

from __future__ import annotations

import threading
import time
from typing import Any

from hother.cancelable import CancelationReason
from hother.cancelable.registry import CancelRequest, EventKind, OperationRecord, Progress, RecordStatus, RedisBackend


class FakeProcess:
    """Holds records in place of operations. They end at once when they are told to stop, unless they are stubborn."""

    def __init__(self, backend: RedisBackend) -> None:
        self.backend: RedisBackend = backend
        self.operations: dict[str, OperationRecord] = {}
        self.told: list[tuple[str, CancelationReason, str | None, str | None]] = []
        self.stubborn: bool = False
        self.lag: float | None = None
        self._lock = threading.RLock()
        backend.attach(self)

    def running(self) -> list[OperationRecord]:
        return list(self.operations.values())

    def find(self, operation_id: str) -> OperationRecord | None:
        return self.operations.get(operation_id)

    def cancel(self, operation_id: str, reason: CancelationReason, message: str | None, origin: str | None) -> bool:
        with self._lock:
            record = self.operations.get(operation_id)
            if record is None or record.cancel is not None:
                return False
            self.told.append((operation_id, reason, message, origin))
            now = time.time()
            self._change(record._replace(cancel=CancelRequest(reason, message, origin, now, now)))
            self.backend.changed(operation_id, EventKind.CANCEL_DELIVERED)
            if not self.stubborn:
                self.end(operation_id, RecordStatus.CANCELLED)
            return True

    def loop_lag(self) -> float | None:
        return self.lag

    def start(self, operation_id: str, **facts: Any) -> None:
        """Begin an operation."""
        facts = {"name": operation_id, "started": time.time(), **facts}
        self._change(OperationRecord(operation_id, status=RecordStatus.RUNNING, worker="", **facts))
        self.backend.changed(operation_id, EventKind.STARTED)

    def report(self, operation_id: str, message: str, percent: float | None = None) -> None:
        """Let it report progress."""
        self._change(self.operations[operation_id]._replace(progress=Progress(message, percent, time.time())))
        self.backend.changed(operation_id, EventKind.PROGRESS)

    def change(self, operation_id: str, kind: EventKind, **facts: Any) -> None:
        """Change what is known of it."""
        self._change(self.operations[operation_id]._replace(**facts))
        self.backend.changed(operation_id, kind)

    def end(self, operation_id: str, status: RecordStatus = RecordStatus.COMPLETED, **facts: Any) -> None:
        """End it."""
        record = self.operations.pop(operation_id)
        self.backend.ended(record._replace(status=status, ended=time.time(), **facts))

    def forget(self, operation_id: str) -> None:
        """Follow it no more."""
        del self.operations[operation_id]
        self.backend.changed(operation_id, EventKind.PROGRESS)

    def vanish(self) -> None:
        """End without a word, as a process does that is killed."""
        service = self.backend._service
        assert service is not None
        service._writer.leave = lambda: None  # type: ignore[method-assign]
        self.backend.close()

    def _change(self, record: OperationRecord) -> None:
        self.operations[record.id] = record
