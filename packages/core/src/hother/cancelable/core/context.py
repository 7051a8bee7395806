"""What can be read of an operation, while it runs and afterwards."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from .reason import PENDING, CancelationReason, OperationStatus

if TYPE_CHECKING:
    from .state import OperationState


@dataclass(slots=True, eq=False)
class OperationContext:
    """The record of one operation.

    The operation keeps it up to date; everybody else reads it. `metadata` and `partial_result` are the user's own.
    """

    id: str
    """Unique across processes, unless it was given by the user."""
    name: str | None = None
    """For people."""
    status: OperationStatus = OperationStatus.PENDING
    """How the operation stands."""
    start_time: datetime | None = None
    """When it was entered (UTC)."""
    end_time: datetime | None = None
    """When it was left (UTC)."""
    cancel_reason: CancelationReason | None = None
    """Why it was told to stop; also set where its body ended before that took effect."""
    cancel_message: str | None = None
    """What the one who asked had to say."""
    cancel_origin: str | None = None
    """The name of the source, operation, task or thread that asked."""
    cause: OperationContext | BaseException | None = None
    """The ancestor that was cancelled (PARENT), or the exception that broke a source (ERROR)."""
    error: str | None = None
    """The type and text of the exception that left its body. Text, since an exception would keep its frames alive."""
    partial_result: Any = None
    """What was received before the end, where a stream or the user put it."""
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])
    """Free for the user."""
    parent_id: str | None = None
    """The id of the operation it was entered in."""
    duration: timedelta | None = None
    """How long it ran, on the loop's clock; None until it has ended."""

    @property
    def is_cancelled(self) -> bool:
        """Whether it has ended by cancellation."""
        return self.status is OperationStatus.CANCELLED

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain values, fit for JSON as far as `metadata` and `partial_result` are."""
        return {
            "id": self.id,
            "name": self.name,
            "status": self.status.value,
            "start_time": None if self.start_time is None else self.start_time.isoformat(),
            "end_time": None if self.end_time is None else self.end_time.isoformat(),
            "duration": None if self.duration is None else self.duration.total_seconds(),
            "cancel_reason": None if self.cancel_reason is None else self.cancel_reason.value,
            "cancel_message": self.cancel_message,
            "cancel_origin": self.cancel_origin,
            "cause": self._name_of_cause(),
            "error": self.error,
            "partial_result": self.partial_result,
            "metadata": dict(self.metadata),
            "parent_id": self.parent_id,
        }

    def _follow(self, operation: OperationState) -> None:
        """Bring the record up to date."""
        self.status = operation._status
        self.parent_id = None if operation._parent is None else operation._parent.operation_id
        self.error = operation._error
        if operation._status is PENDING:
            return
        self.start_time = datetime.fromtimestamp(operation._wall_time, UTC)
        cause = operation._outcome or operation._token.cause
        if cause is not None:
            self.cancel_reason, self.cancel_message, self.cancel_origin = cause[:3]
            self.cause = cause.culprit
        if operation._ended_at is not None:
            self.duration = timedelta(seconds=operation._ended_at - operation._started_at)
            self.end_time = self.start_time + self.duration

    def _name_of_cause(self) -> str | None:
        if isinstance(self.cause, OperationContext):
            return self.cause.id
        return None if self.cause is None else repr(self.cause)
