"""Which operations a listing is about."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Final, TypedDict

from hother.cancelable import OperationStatus
from hother.cancelable.core import positive_seconds

from .records import OperationRecord, RecordStatus

Statuses = RecordStatus | OperationStatus | str | Iterable[RecordStatus | OperationStatus | str]


class MoreFilters(TypedDict, total=False):
    """What a listing takes besides status, parent and name; an operation must match all that is given."""

    worker: str | None
    """The id of the process that it runs in."""
    min_age: float | timedelta | None
    """How long it has run at least, in seconds or as a `timedelta`."""
    cancelling: bool | None
    """Whether it was told to stop and still runs."""


class FiltersButStatus(MoreFilters, total=False):
    """What a listing takes besides the status; an operation must match all that is given."""

    name_pattern: str | None
    """A part of the name; a pattern for the whole of it where it has `*`, `?` or `[`."""
    parent_id: str | None
    """The id of the operation that it was entered in."""


class FilterOptions(FiltersButStatus, total=False):
    """What a listing takes; an operation must match all that is given."""

    status: Statuses | None
    """One status or several."""


_KNOWN = ("status", "name_pattern", "parent_id", "worker", "min_age", "cancelling")


@dataclass(frozen=True, slots=True)
class OperationFilter:
    """A checked filter."""

    statuses: frozenset[RecordStatus] | None = None
    name_pattern: str | None = None
    parent_id: str | None = None
    worker: str | None = None
    min_age: float | None = None
    cancelling: bool | None = None

    @classmethod
    def of(cls, options: FilterOptions) -> OperationFilter:
        """Check what a user has given.

        Raises:
            TypeError: If a value has the wrong type, or there is no such filter.
            ValueError: If a status is unknown, or the age zero, negative or NaN.
        """
        unknown = set(options) - set(_KNOWN)
        if unknown:
            raise TypeError(f"there is no filter {min(unknown)!r}; there are {', '.join(_KNOWN)}")
        for key in ("name_pattern", "parent_id", "worker"):
            if not isinstance(options.get(key), (str, type(None))):
                raise TypeError(f"{key} must be a string, not {options.get(key)!r}")
        cancelling: object = options.get("cancelling")
        if not isinstance(cancelling, (bool, type(None))):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"cancelling must be True or False, not {cancelling!r}")
        age, status = options.get("min_age"), options.get("status")
        return cls(
            None if status is None else _statuses(status),
            options.get("name_pattern"),
            options.get("parent_id"),
            options.get("worker"),
            None if age is None else positive_seconds(age, "min_age"),
            cancelling,
        )

    def matches(self, record: OperationRecord) -> bool:
        """Tell whether an operation is meant."""
        return (
            (self.statuses is None or record.status in self.statuses)
            and (self.parent_id is None or record.parent_id == self.parent_id)
            and (self.worker is None or record.worker == self.worker)
            and (self.name_pattern is None or name_matches(record.name, self.name_pattern))
            and (self.min_age is None or record.age >= self.min_age)
            and (self.cancelling is None or self.cancelling is (record.cancel_requested and not record.has_ended))
        )


EVERYTHING: Final = OperationFilter()
"""The filter that every operation matches."""


def name_matches(name: str | None, pattern: str) -> bool:
    """Tell whether a name has a part, or matches a pattern."""
    if any(character in pattern for character in "*?["):
        return fnmatchcase(name or "", pattern)
    return pattern in (name or "")


def _statuses(given: Statuses) -> frozenset[RecordStatus]:
    if isinstance(given, bytes) or not isinstance(given, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"status must be one status or a list of them, not {given!r}")
    return frozenset(_status(each) for each in ([given] if isinstance(given, str) else given))


def _status(given: str) -> RecordStatus:
    try:
        return RecordStatus(given)
    except ValueError:
        raise ValueError(f"status must be one of {', '.join(RecordStatus)}, not {given!r}") from None
