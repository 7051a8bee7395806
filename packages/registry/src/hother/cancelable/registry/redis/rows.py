"""Records as they are stored: hashes of text, each of a bounded size."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

from hother.cancelable import CancelationReason
from hother.cancelable.registry.records import (
    CancelRequest,
    Event,
    EventKind,
    OperationRecord,
    Progress,
    RecordStatus,
    WorkerRecord,
    WorkerState,
)

NAME_LIMIT: Final = 200
TEXT_LIMIT: Final = 1_000
STACK_LIMIT: Final = 4_000
"""In characters; what is longer is cut, and ends with an ellipsis."""
METADATA_LIMIT: Final = 4_096
"""In bytes of JSON; a value that does not fit any more is left out."""


def fields_of(record: OperationRecord, metadata_keys: Iterable[str]) -> dict[str, str]:
    """Return what is stored of an operation."""
    fields: dict[str, str | None] = {
        "status": record.status.value,
        "name": cut(record.name, NAME_LIMIT),
        "parent": record.parent_id,
        "started": _number(record.started),
        "ended": _number(record.ended),
        "error": cut(record.error, TEXT_LIMIT),
        "stuck": cut(record.stuck, STACK_LIMIT),
        "metadata": allowed(record.metadata, metadata_keys),
    }
    if record.progress is not None:
        message, percent, when = record.progress
        fields["progress"] = json.dumps([cut(message, TEXT_LIMIT), percent, when])
    if record.cancel is not None:
        fields |= request_fields(record.cancel.reason, record.cancel.message, record.cancel.origin)
        fields["requested"] = _number(record.cancel.requested)
        fields["delivered"] = _number(record.cancel.delivered)
    return {name: value for name, value in fields.items() if value is not None}


def request_fields(reason: CancelationReason, message: str | None, origin: str | None) -> dict[str, str]:
    """Return what is stored of a request to cancel."""
    fields = {"reason": reason.value, "message": cut(message, TEXT_LIMIT), "origin": cut(origin, NAME_LIMIT)}
    return {name: value for name, value in fields.items() if value is not None}


def flat(fields: Mapping[str, str]) -> list[str]:
    """Return names and values in turn, as Redis takes them."""
    return [text for pair in fields.items() for text in pair]


def score_of(record: OperationRecord) -> str:
    """Return what running operations are ordered by: when they began, in milliseconds since the epoch."""
    return str(int((time.time() if record.started is None else record.started) * 1000))


def cut(value: object, limit: int) -> str | None:
    """Return a text of a bounded length, whatever was given as one."""
    text = None if value is None else str(value)
    return text if text is None or len(text) <= limit else text[: limit - 1] + "…"


def allowed(metadata: Mapping[str, Any], keys: Iterable[str]) -> str | None:
    """Return the part of the metadata that may leave the process, as JSON; what JSON cannot hold as text."""
    kept: dict[str, Any] = {}
    text: str | None = None
    for key in keys:
        if key not in metadata:
            continue
        try:
            longer = json.dumps({**kept, key: metadata[key]}, default=str)
        except Exception:  # a value of the user's that cannot even be printed
            continue
        if len(longer) <= METADATA_LIMIT:
            kept[key], text = metadata[key], longer
    return text


def record_of(operation_id: str, fields: Mapping[str, str]) -> OperationRecord:
    """Read an operation."""
    progress = fields.get("progress")
    return OperationRecord(
        operation_id,
        fields.get("name"),
        RecordStatus(fields["status"]),
        fields.get("owner", ""),
        fields.get("parent"),
        _seconds(fields.get("started")),
        _seconds(fields.get("ended")),
        None if progress is None else Progress(*json.loads(progress)),
        _request_of(fields),
        fields.get("error"),
        json.loads(fields.get("metadata", "{}")),
        fields.get("stuck"),
    )


def reason_of(text: str) -> CancelationReason:
    """Read a reason; one that a later version has written counts as manual."""
    try:
        return CancelationReason(text)
    except ValueError:
        return CancelationReason.MANUAL


def event_of(entry_id: str, fields: Mapping[str, str], metadata: str | None) -> Event | None:
    """Read an event; None for one that a later version has written."""
    try:
        kind = EventKind(fields["kind"])
    except ValueError:
        return None
    record = None
    if "id" in fields:
        record = record_of(fields["id"], {**fields, "metadata": metadata or "{}"})
    return Event(entry_id, kind, float(fields["time"]), record, fields["worker"])


def worker_of(worker: str, deadline: float, operations: int, fields: Mapping[str, str], now: float) -> WorkerRecord:
    """Read a process, and judge how it stands."""
    lease, heartbeat = float(fields.get("lease", 0)), float(fields.get("heartbeat", 0))
    beat, lag = float(fields.get("beat", 0)), _seconds(fields.get("lag") or None)
    state = WorkerState.UP
    if deadline < now:
        state = WorkerState.LOST
    elif now - beat > heartbeat + lease / 2 or (lag or 0) > lease / 2:
        state = WorkerState.SUSPECT
    return WorkerRecord(
        worker,
        fields.get("host", ""),
        int(fields.get("pid", 0)),
        state,
        fields.get("version", ""),
        float(fields.get("started", 0)),
        beat,
        operations,
        lag,
    )


def _request_of(fields: Mapping[str, str]) -> CancelRequest | None:
    if "reason" not in fields:
        return None
    return CancelRequest(
        reason_of(fields["reason"]),
        fields.get("message"),
        fields.get("origin"),
        _seconds(fields.get("requested")),
        _seconds(fields.get("delivered")),
    )


def _number(seconds: float | None) -> str | None:
    return None if seconds is None else repr(float(seconds))


def _seconds(text: str | None) -> float | None:
    return None if text is None else float(text)
