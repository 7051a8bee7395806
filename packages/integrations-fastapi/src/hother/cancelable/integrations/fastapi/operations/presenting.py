"""Records of the registry as the API gives them: text that can be sent, and of the metadata what may be seen."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, overload

from pydantic_core import from_json, to_json

from hother.cancelable.registry import CancelRequest, Event, OperationRecord, OperationRegistry, View, WorkerRecord

from .schemas import (
    BackendState,
    Operation,
    OperationCancel,
    OperationEvent,
    OperationNode,
    OperationProgress,
    OperationWorker,
)


class Presenter:
    """Turns records into what the API gives.

    Args:
        metadata_keys: Which keys of the metadata callers may see.

    Raises:
        TypeError: If they are no strings, or one string.
    """

    def __init__(self, metadata_keys: Iterable[str] = ()) -> None:
        if isinstance(metadata_keys, str):
            raise TypeError(f"metadata_keys must be several keys, like [{metadata_keys!r}], not one string")
        self._keys = tuple(dict.fromkeys(metadata_keys))
        for key in self._keys:
            if not isinstance(key, str):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise TypeError(f"metadata_keys must be strings, not {key!r}")

    def operation(self, record: OperationRecord) -> Operation:
        """Return an operation."""
        return Operation(**self._facts(record))

    def node(self, record: OperationRecord, depth: int) -> OperationNode:
        """Return an operation in a tree."""
        return OperationNode(**self._facts(record), depth=depth)

    def event(self, event: Event) -> OperationEvent:
        """Return something that has happened."""
        operation = None if event.record is None else self.operation(event.record)
        return OperationEvent(kind=event.kind, time=moment(event.time), worker=event.worker, operation=operation)

    def _facts(self, record: OperationRecord) -> dict[str, Any]:
        progress = record.progress
        return {
            "id": sendable(record.id),
            "name": sendable(record.name),
            "status": record.status,
            "cancelling": record.cancel_requested and not record.has_ended,
            "worker": record.worker,
            "parent_id": sendable(record.parent_id),
            "started": record.start_time,
            "ended": record.end_time,
            "age": record.age,
            "progress": progress
            and OperationProgress(
                message=sendable(progress.message), percent=progress.percent, time=moment(progress.time)
            ),
            "cancel": record.cancel and _cancel(record.cancel, record.ended),
            "error": sendable(record.error),
            "stuck": sendable(record.stuck),
            "metadata": self._visible(record.metadata),
        }

    def _visible(self, metadata: Mapping[str, Any]) -> dict[str, Any]:
        return {key: plain(metadata[key]) for key in self._keys if key in metadata}


def _cancel(request: CancelRequest, ended: float | None) -> OperationCancel:
    return OperationCancel(
        reason=request.reason,
        message=sendable(request.message),
        origin=sendable(request.origin),
        requested=moment(request.requested),
        delivered=moment(request.delivered),
        delivery_seconds=_between(request.requested, request.delivered),
        unwind_seconds=_between(request.delivered, ended),
    )


def _between(begin: float | None, end: float | None) -> float | None:
    return None if begin is None or end is None else max(end - begin, 0.0)


def worker(record: WorkerRecord) -> OperationWorker:
    """Return a process."""
    facts: dict[str, Any] = record._asdict() | {
        "started": moment(record.started),
        "heartbeat": moment(record.heartbeat),
    }
    return OperationWorker(**facts)


@overload
def moment(seconds: float) -> datetime: ...
@overload
def moment(seconds: float | None) -> datetime | None: ...
def moment(seconds: float | None) -> datetime | None:
    """Return seconds since the epoch as a time in UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


@overload
def sendable(text: str) -> str: ...
@overload
def sendable(text: str | None) -> str | None: ...
def sendable(text: str | None) -> str | None:
    """Return a text without what cannot be encoded, such as half of a surrogate pair in the name of a file."""
    return text if text is None or text.isascii() else text.encode("utf-8", "replace").decode()


def plain(value: Any) -> Any:
    """Return a value as far as JSON can tell it; what it cannot is told as text."""
    try:
        return from_json(to_json(value, fallback=str, inf_nan_mode="null"))
    except Exception:  # it holds itself, or its text fails
        return f"<{type(value).__name__}>"


def now() -> datetime:
    """Return the present time in UTC."""
    return moment(time.time())


async def backend_state(registry: OperationRegistry, view: View | None = None) -> BackendState:
    """Return how much an answer knows: as its view tells, or as the connection stands now."""
    if not registry.is_shared:
        return "local"
    is_up = (await registry.health()).get("available", False) if view is None else view is View.SHARED
    return "ok" if is_up else "degraded"
