"""What is told of operations and workers, as text: for people in words, for programs in seconds."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Generic, NamedTuple, TypeVar

import typer

from hother.cancelable.registry.records import OperationRecord, RecordStatus, WorkerRecord

T = TypeVar("T")


class Kind(NamedTuple, Generic[T]):
    """What is listed."""

    columns: tuple[str, ...]
    elastic: frozenset[str]
    """The columns that are cut where the terminal is narrow; the others are shown whole."""
    cells: Callable[[T, bool], tuple[str, ...]]
    """Gives the texts of a row, and takes the record and whether a person reads."""


def clean(text: str | None) -> str:
    """Return a text of somebody else that moves no cursor, changes no colour and stays on its line."""
    if text is None or text.isprintable():
        return text or ""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def span(value: float | None, for_people: bool) -> str:
    """Return a time span."""
    if value is None:
        return ""
    if not for_people:
        return f"{value:.3f}"
    if value < 60:
        return f"{value:.1f}s"
    minutes, hours, days = int(value // 60), int(value // 3600), int(value // 86400)
    if not hours:
        return f"{minutes}m {int(value % 60)}s"
    return f"{days}d {hours % 24}h" if days else f"{hours}h {minutes % 60}m"


def moment(value: float | None) -> str:
    """Return a moment (UTC)."""
    return "" if value is None else datetime.fromtimestamp(value, UTC).isoformat(timespec="milliseconds")


def standing(record: OperationRecord) -> str:
    """Return how an operation stands, in one word."""
    if record.status is RecordStatus.RUNNING and record.stuck is not None:
        return "stuck"
    if record.status is RecordStatus.RUNNING and record.cancel_requested:
        return "cancelling"
    return record.status.value


def progress(record: OperationRecord) -> str:
    """Return the latest report of an operation."""
    if record.progress is None:
        return ""
    percent = "" if record.progress.percent is None else f"{record.progress.percent:.0f}% "
    return percent + clean(record.progress.message)


def reason(record: OperationRecord) -> str:
    """Return why an operation was told to stop."""
    return "" if record.cancel_reason is None else record.cancel_reason.value


def _operation_cells(record: OperationRecord, for_people: bool) -> tuple[str, ...]:
    return (
        clean(record.id),
        clean(record.name),
        standing(record),
        span(record.age, for_people),
        progress(record),
        reason(record),
        clean(record.worker),
        clean(record.parent_id),
    )


def _worker_cells(worker: WorkerRecord, for_people: bool) -> tuple[str, ...]:
    now = time.time()
    return (
        clean(worker.id),
        worker.state.value,
        str(worker.operations),
        span(max(now - worker.started, 0.0), for_people),
        span(max(now - worker.heartbeat, 0.0), for_people),
        span(worker.loop_lag, for_people),
        clean(worker.host),
        str(worker.pid),
        clean(worker.version),
    )


OPERATION: Kind[OperationRecord] = Kind(
    ("ID", "NAME", "STATUS", "AGE", "PROGRESS", "REASON", "WORKER", "PARENT"),
    frozenset(("NAME", "PROGRESS", "WORKER", "PARENT")),
    _operation_cells,
)
WORKER: Kind[WorkerRecord] = Kind(
    ("ID", "STATE", "OPERATIONS", "UP", "HEARD", "LAG", "HOST", "PID", "VERSION"),
    frozenset(("HOST", "VERSION")),
    _worker_cells,
)


def line(kind: Kind[T], record: T) -> str:
    """Return a record as one line for programs: the columns with tabs between them."""
    return "\t".join(kind.cells(record, False))


def worker_dict(worker: WorkerRecord) -> dict[str, Any]:
    """Return a worker as plain values."""
    return {**worker._asdict(), "state": worker.state.value}


def echo_json(value: object, indent: int | None = 2) -> None:
    """Print JSON; what it has no form for is printed as text."""
    try:
        text = json.dumps(value, indent=indent, default=str, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(value), indent=indent, default=str)
    typer.echo(text)


def _finite(value: Any) -> Any:
    """Return a value with null in place of NaN and infinity, which are no JSON."""
    match value:
        case {}:
            return {key: _finite(each) for key, each in value.items()}
        case [*_]:
            return [_finite(each) for each in value]
        case float() if not math.isfinite(value):
            return None
        case _:
            return value
