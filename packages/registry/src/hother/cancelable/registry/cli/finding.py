"""Asking the shared store for operations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from hother.cancelable.registry.backend import Backend
from hother.cancelable.registry.engine import MOST
from hother.cancelable.registry.filters import OperationFilter
from hother.cancelable.registry.records import OperationRecord, RecordStatus

HISTORY: Final = 10_000
"""How many ended operations are asked for at most."""
_ENDED = {RecordStatus.COMPLETED, RecordStatus.CANCELLED, RecordStatus.FAILED, RecordStatus.LOST}


class Listing(NamedTuple):
    """What was found."""

    records: list[OperationRecord]
    more: int
    """How many there are beyond."""


def find(store: Backend, wanted: OperationFilter, limit: int | None) -> Listing:
    """Return what runs and, where a status of that kind is asked for, what has ended; oldest first."""
    found = {record.id: record for record in _running(store, wanted, limit)}
    more = store.count(wanted) - len(found) if limit is not None and len(found) >= limit else 0
    if wanted.statuses is not None and wanted.statuses & _ENDED:
        left = HISTORY if limit is None else limit - len(found)
        for record in store.history(wanted, left, None) if left > 0 else ():
            found.setdefault(record.id, record)
    return Listing(list(found.values()), max(more, 0))


def _running(store: Backend, wanted: OperationFilter, limit: int | None) -> Iterator[OperationRecord]:
    left, cursor = limit, None
    while left is None or left > 0:
        page = store.page(wanted, MOST if left is None else min(left, MOST), cursor)
        yield from page.records
        cursor = page.cursor
        left = None if left is None else left - len(page.records)
        if cursor is None:
            return
