"""Numbers about what has ended, each kept in constant time."""

from __future__ import annotations

import threading

from hother.cancelable import CancelationReason

from .records import OperationRecord, RecordStatus


class Tally:
    """A mean and a maximum of times, in seconds."""

    __slots__ = ("count", "longest", "total")

    def __init__(self) -> None:
        self.count: int = 0
        self.total: float = 0.0
        self.longest: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one more; a clock that was set back counts as no time."""
        seconds = seconds if seconds > 0 else 0.0
        self.count += 1
        self.total += seconds
        if seconds > self.longest:
            self.longest = seconds

    @property
    def mean(self) -> float:
        """The average; 0 without any."""
        return self.total / self.count if self.count else 0.0


class Numbers:
    """What has started and ended since the beginning. Counted from any thread."""

    def __init__(self) -> None:
        self.by_status: dict[RecordStatus, int] = dict.fromkeys(RecordStatus, 0)
        self.by_reason: dict[CancelationReason, int] = dict.fromkeys(CancelationReason, 0)
        self.durations: Tally = Tally()
        self.delivery: Tally = Tally()
        self.unwind: Tally = Tally()
        self._lock = threading.RLock()  # a signal handler may come in between, and ask

    def add(self, record: OperationRecord) -> None:
        """Count an operation that has ended."""
        with self._lock:
            self.by_status[record.status] += 1
            started, ended = record.started, record.ended
            if started is not None and ended is not None:
                self.durations.add(ended - started)
            if (cancel := record.cancel) is None:
                return
            if record.status is RecordStatus.CANCELLED:
                self.by_reason[cancel.reason] += 1
            if cancel.requested is not None and cancel.delivered is not None:
                self.delivery.add(cancel.delivered - cancel.requested)
                if ended is not None:
                    self.unwind.add(ended - cancel.delivered)

    def latencies(self) -> dict[str, float]:
        """Return how long cancelling took, from asked to told and from told to ended, in seconds."""
        return {
            "delivery_mean": self.delivery.mean,
            "delivery_max": self.delivery.longest,
            "unwind_mean": self.unwind.mean,
            "unwind_max": self.unwind.longest,
        }
