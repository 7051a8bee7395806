"""Reading the store: listings, processes and numbers."""

from __future__ import annotations

import time
from typing import Any, Final, NamedTuple

from hother.cancelable.registry.backend import Statistics
from hother.cancelable.registry.filters import EVERYTHING, OperationFilter
from hother.cancelable.registry.records import OperationRecord, Page, View, WorkerRecord

from .link import Link, pairs
from .rows import record_of, worker_of
from .scripts import SCAN, STATISTICS, WORKERS

_MOST: Final = 500
"""How many operations one reply holds at most."""


class _Listing(NamedTuple):
    """What is read, and in which order."""

    key: str
    direction: str
    lowest: str


class _Part(NamedTuple):
    """A part of a listing, and where the next one begins."""

    found: int
    records: list[OperationRecord]
    score: str
    id: str


_RUNNING = _Listing("ops", "up", "")
_BEGINNING = ("", "")


def page(link: Link, wanted: OperationFilter, limit: int, cursor: str | None) -> Page:
    """Return a part of what runs.

    Raises:
        BackendUnavailable: If the store cannot be reached.
        ValueError: If the cursor is none that a page has returned, or the limit is not positive.
    """
    if limit < 1:
        raise ValueError(f"limit must be 1 or more, not {limit!r}")
    records, score, last = _read(link, _RUNNING, wanted, limit, _position(cursor))
    return Page(records, f"{score}:{last}" if score else None, time.time(), View.SHARED)


def history(link: Link, wanted: OperationFilter, limit: int, since: float | None) -> list[OperationRecord]:
    """Return what has ended, latest first.

    Raises:
        BackendUnavailable: If the store cannot be reached.
    """
    lowest = "" if since is None else str(since * 1000 - 0.001)
    return _read(link, _Listing("done", "down", lowest), wanted, limit, _BEGINNING)[0]


def count(link: Link, wanted: OperationFilter) -> int:
    """Return how many operations run that a filter is about.

    Raises:
        BackendUnavailable: If the store cannot be reached.
    """
    if wanted == EVERYTHING:
        listed: int = link.call(STATISTICS)[0]
        return listed
    total, at = 0, _BEGINNING
    mode = "read" if _is_pattern(wanted.name_pattern) or "" in (wanted.parent_id, wanted.worker) else "count"
    while True:
        part = _scan(link, _RUNNING, wanted, at, _MOST, mode)
        total += part.found
        at = part.score, part.id
        if at == _BEGINNING:
            return total


def workers(link: Link) -> list[WorkerRecord]:
    """Return the processes that take part, and those lost not long ago, in the order in which they joined.

    Raises:
        BackendUnavailable: If the store cannot be reached.
    """
    now, *rows = link.call(WORKERS)
    found = [worker_of(each, float(deadline), held, pairs(row), float(now)) for each, deadline, held, row in rows]
    return sorted(found, key=lambda worker: worker.started)


def statistics(link: Link) -> Statistics:
    """Return the numbers of all processes.

    Raises:
        BackendUnavailable: If the store cannot be reached.
    """
    listed, pending, lost, kept, counters = link.call(STATISTICS)
    numbers = {name: float(value) for name, value in pairs(counters).items()}
    active = {"pending": pending, "running": listed - pending - lost, "lost": lost}
    ended = _group(numbers, "ended")
    return {
        "active_operations": listed,
        "active_by_status": {status: number for status, number in active.items() if number},
        "total_started": int(numbers.get("started", 0)),
        "total_completed": sum(ended.values()),
        "ended_by_status": ended,
        "ended_by_reason": _group(numbers, "reason"),
        "history_size": kept,
        "history_by_status": _group(numbers, "kept"),
        "average_duration_seconds": _mean(numbers, "duration"),
        "longest_duration_seconds": numbers.get("duration:max", 0.0),
        "cancel_latency": {
            f"{name}_{key}": value
            for name in ("delivery", "unwind")
            for key, value in (("mean", _mean(numbers, name)), ("max", numbers.get(f"{name}:max", 0.0)))
        },
    }


def _read(
    link: Link, listing: _Listing, wanted: OperationFilter, limit: int, at: tuple[str, str]
) -> tuple[list[OperationRecord], str, str]:
    records: list[OperationRecord] = []
    while len(records) < limit:
        part = _scan(link, listing, wanted, at, min(limit - len(records), _MOST), "read")
        records += part.records
        at = part.score, part.id
        if at == _BEGINNING:
            break
    return records, *at


def _scan(link: Link, listing: _Listing, wanted: OperationFilter, at: tuple[str, str], limit: int, mode: str) -> _Part:
    statuses = "" if wanted.statuses is None else ",".join(sorted(wanted.statuses)) or "none"
    part_of_name = "" if _is_pattern(wanted.name_pattern) else wanted.name_pattern or ""
    latest = "" if wanted.min_age is None or listing.key != "ops" else str(time.time() - wanted.min_age)
    cancelling = "" if wanted.cancelling is None else str(int(wanted.cancelling))
    filters = (statuses, part_of_name, wanted.parent_id or "", wanted.worker or "", latest, cancelling)
    args = (listing.key, listing.direction, *at, limit, mode, *filters, listing.lowest)
    score, last, counted, *rows = link.call(SCAN, *args)
    records = [record_of(each, pairs(fields)) for each, fields in rows]
    if mode == "read":
        records = [record for record in records if wanted.matches(record)]
        counted = len(records)
    return _Part(counted, records, score, last)


def _is_pattern(name: str | None) -> bool:
    return name is not None and any(character in name for character in "*?[")


def _position(cursor: str | None) -> tuple[str, str]:
    if cursor is None:
        return _BEGINNING
    score, colon, last = cursor.partition(":")
    if not (colon and last and score.isascii() and score.isdigit()):
        raise ValueError(f"cursor must be one that a page has returned, not {cursor!r}")
    return score, last


def _group(numbers: dict[str, float], name: str) -> dict[str, int]:
    found: dict[str, Any] = {}
    for key, value in numbers.items():
        group, _, rest = key.partition(":")
        if group == name and rest and value:
            found[rest] = int(value)
    return found


def _mean(numbers: dict[str, float], name: str) -> float:
    times = numbers.get(f"{name}:count", 0)
    return numbers.get(f"{name}:sum", 0.0) / times if times else 0.0
