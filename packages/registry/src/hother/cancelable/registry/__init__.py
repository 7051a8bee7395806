"""See the operations that run, and cancel them: in one process, or across all of them.

`RedisBackend` is loaded when it is first asked for, since the package works without redis.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .backend import Backend, Local, Statistics
from .errors import BackendUnavailable, DuplicateOperation, RegistryError
from .events import BlockingEventFeed, EventFeed
from .filters import FilterOptions, OperationFilter
from .records import (
    CancelRequest,
    CancelResult,
    CancelState,
    Event,
    EventKind,
    OperationRecord,
    Page,
    Progress,
    RecordStatus,
    View,
    WorkerRecord,
    WorkerState,
)
from .registry import OperationRegistry
from .thread_safe import ThreadSafeRegistry
from .tree import TreeNode

__all__ = [
    "Backend",
    "BackendUnavailable",
    "BlockingEventFeed",
    "CancelRequest",
    "CancelResult",
    "CancelState",
    "DuplicateOperation",
    "Event",
    "EventFeed",
    "EventKind",
    "FilterOptions",
    "Local",
    "OperationFilter",
    "OperationRecord",
    "OperationRegistry",
    "Page",
    "Progress",
    "RecordStatus",
    "RegistryError",
    "Statistics",
    "ThreadSafeRegistry",
    "TreeNode",
    "View",
    "WorkerRecord",
    "WorkerState",
]

if TYPE_CHECKING:
    from .redis import RedisBackend as RedisBackend
else:  # checkers shall go on reporting misspelt names

    def __getattr__(name: str) -> object:
        if name != "RedisBackend":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        try:
            from .redis import RedisBackend
        except ModuleNotFoundError as error:
            if error.name != "redis":
                raise
            raise ImportError(
                'RedisBackend needs the package redis; install it: pip install "hother-cancelable-registry[redis]"'
            ) from error
        return RedisBackend
