"""Reading what has ended in parts, which the registry gives from the latest on."""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

from hother.cancelable.registry import OperationRecord, OperationRegistry, RecordStatus

from .problems import ProblemError

_WINDOW: Final = 500


class Place(NamedTuple):
    """Where an operation stands among those that have ended."""

    ended: float
    id: str


async def history_part(
    registry: OperationRegistry,
    limit: int,
    cursor: str | None,
    *,
    status: list[RecordStatus] | None,
    since: datetime | None,
    name: str | None,
) -> tuple[list[OperationRecord], str | None]:
    """Return a part of what has ended, latest first, and the cursor of the next.

    Raises:
        ProblemError: 422, if the cursor is none that an earlier part has given.
    """
    before = None if cursor is None else _place_of(cursor)
    window = limit + 1 if before is None else max(limit + 1, _WINDOW)
    while True:
        records = await registry.get_history(window, status, since, name_pattern=name)
        found = sorted(records, key=_place, reverse=True)
        found = [record for record in found if before is None or _place(record) < before]
        if len(found) > limit or len(records) < window:
            break
        window *= 2
    more = found[limit - 1] if len(found) > limit else None
    return found[:limit], None if more is None else _cursor_of(_place(more))


def _place(record: OperationRecord) -> Place:
    return Place(record.ended or 0.0, record.id)


def _cursor_of(place: Place) -> str:
    return f"{place.ended!r}:{place.id}"


def _place_of(cursor: str) -> Place:
    ended, colon, identity = cursor.partition(":")
    try:
        return Place(float(ended if colon else ""), identity)
    except ValueError:
        raise ProblemError(422, "the cursor is none that an earlier answer gave; leave it out") from None
