"""One operation that is followed, and what was heard of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

from hother.cancelable import Cancelable, CancelationReason, OperationStatus
from hother.cancelable.core import Loop, facts_of, request_cancel

from .records import NO_METADATA, CancelRequest, OperationRecord, Progress, RecordStatus

Place = tuple[float, str]
"""Where an operation stands in listings; it keeps this place when it is entered."""
Waiter = Callable[[OperationRecord], object]
"""Told how an operation has ended; on the path of that operation, so it must be quick. May be told twice."""


class Entry:
    """One operation that is followed, and what was heard of it."""

    # Defaults of the class: most operations change none of them.
    added: float | None = None
    """When it was listed, where that was before it was entered."""
    started: float | None = None
    loop: Loop | None = None
    progress: Progress | None = None
    requested: float | None = None
    delivered: float | None = None
    stuck: str | None = None
    final: OperationRecord | None = None
    """How it has ended."""
    waiters: list[Waiter] | None = None

    def __init__(self, operation: Cancelable) -> None:
        self.operation: Cancelable = operation
        self.id: str = operation.operation_id

    @property
    def place(self) -> Place:
        """Where it stands in listings."""
        return self.added or self.started or 0.0, self.id

    def record(self, worker: str, ended: float | None = None) -> OperationRecord:
        """Return what is known now."""
        name, parent_id, state, metadata, cause, error = facts_of(self.operation)
        if cause is not None:
            cancel = CancelRequest(cause.reason, cause.message, cause.origin, self.requested, self.delivered)
        else:
            cancel = None
        status = _STATUS[state]
        if ended is None and status not in _OPEN:  # it is being left at this moment
            ended = time.time()
        copied = MappingProxyType(dict(metadata)) if metadata else NO_METADATA
        parts = (
            self.id, name, status, worker, parent_id, self.started, ended,
            self.progress, cancel, error, copied, self.stuck,
        )  # fmt: skip
        record: OperationRecord = _new_tuple(OperationRecord, parts)  # its own constructor takes twice as long
        return record

    def cancel(self, reason: CancelationReason, message: str | None, origin: str | None) -> bool:
        """Tell it to stop; whether this was the first request."""
        return request_cancel(self.operation.token, reason, message, origin)

    def end(self, record: OperationRecord) -> bool:
        """Note how it has ended; False if somebody else has done so, in another thread."""
        # setdefault is atomic
        return self.__dict__.setdefault("final", record) is record

    def tell(self, record: OperationRecord) -> None:
        """Tell those who wait for the end."""
        for waiter in self.waiters or ():
            waiter(record)

    def when_ended(self, waiter: Waiter) -> Callable[[], None]:
        """Have somebody told when it has ended, at once if it has.

        Returns:
            What takes this back.
        """
        waiters: list[Waiter] = self.__dict__.setdefault("waiters", [])
        waiters.append(waiter)
        if self.final is not None:
            waiter(self.final)
        return lambda: waiters.remove(waiter)


_new_tuple: Any = tuple.__new__  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
_OPEN = (RecordStatus.RUNNING, RecordStatus.PENDING)
_STATUS = {each: RecordStatus(each.value) for each in OperationStatus}
