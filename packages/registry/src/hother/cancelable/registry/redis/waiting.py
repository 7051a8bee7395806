"""Waiting for the end of an operation in another process: woken by it, not by a clock."""

from __future__ import annotations

import time
from typing import Final

from hother.cancelable.registry.asking import has_gone
from hother.cancelable.registry.records import OperationRecord, RecordStatus

from .link import Link, pairs
from .rows import record_of
from .scripts import FIND

SLICE: Final = 0.5
"""How long one read waits, in seconds: less than what a reply may take."""


def find(link: Link, operation_id: str) -> OperationRecord | None:
    """Return an operation as it is stored.

    Raises:
        BackendUnavailable: If the store cannot be reached.
    """
    fields = pairs(link.call(FIND, operation_id))
    return record_of(operation_id, fields) if "status" in fields else None


def wait_for_end(link: Link, operation_id: str, timeout: float) -> OperationRecord | None:
    """Return an operation when it has ended, or as it stands after so many seconds.

    Where it is lost and its process has left, or has been away for so long that it is forgotten, nothing is waited for.
    Nor is it where nobody wants to know any more.

    Raises:
        BackendUnavailable: If the store cannot be reached.
    """
    end, last = time.monotonic() + timeout, "0-0"
    while True:
        record = find(link, operation_id)
        left = end - time.monotonic()
        if record is None or record.has_ended or left <= 0 or has_gone() or _is_gone_for_good(link, record):
            return record
        entries = link.read(f"end:{operation_id}", last, min(left, SLICE))
        if entries:
            last = entries[-1][0]


def _is_gone_for_good(link: Link, record: OperationRecord) -> bool:
    """Whether an operation is lost with a process that will not be back."""
    return record.status is RecordStatus.LOST and link.values([f"worker:{record.worker}"], "started") == [None]
