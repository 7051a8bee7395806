"""Why an operation ended, and how it stands: the two enumerations everybody reads."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class CancelationReason(StrEnum):
    """Why an operation was told to stop."""

    TIMEOUT = "timeout"
    """Its deadline passed."""
    MANUAL = "manual"
    """Somebody called `cancel` on it or on one of its tokens."""
    SIGNAL = "signal"
    """The process received a signal."""
    CONDITION = "condition"
    """A condition became true, or a custom source fired."""
    PARENT = "parent"
    """An operation above it was cancelled."""
    ERROR = "error"
    """A source broke, so the operation could no longer be watched."""
    DISCONNECT = "disconnect"
    """The client it worked for has left."""
    SHUTDOWN = "shutdown"
    """The process is shutting down."""
    EXTERNAL = "external"
    """A cancel scope or `task.cancel()` that is not ours interrupted it."""


class OperationStatus(StrEnum):
    """How an operation stands. The last three are final."""

    PENDING = "pending"
    """Made, not entered yet."""
    RUNNING = "running"
    """Entered, not left yet; also while it is being cancelled."""
    COMPLETED = "completed"
    """Its body ran to the end."""
    CANCELLED = "cancelled"
    """Its body was interrupted."""
    FAILED = "failed"
    """Its body raised an exception."""


# A member that is looked up on its class costs five times a global on Python 3.11.
PENDING: Final = OperationStatus.PENDING
RUNNING: Final = OperationStatus.RUNNING
COMPLETED: Final = OperationStatus.COMPLETED
CANCELLED: Final = OperationStatus.CANCELLED
FAILED: Final = OperationStatus.FAILED
