"""Reading what users give to a registry."""

from __future__ import annotations

from datetime import datetime, timedelta
from numbers import Real

from hother.cancelable import CancelationReason
from hother.cancelable.core import positive_seconds, require

from .filters import OperationFilter, Statuses


def whole_number(value: object, name: str, least: int) -> int:
    """Return a whole number.

    Raises:
        TypeError: If it is none.
        ValueError: If it is less than `least`.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number, not {value!r}")
    if value < least:
        raise ValueError(f"{name} must be {least} at least, not {value}")
    return value


def cancel_arguments(operation_id: object, reason: object, message: object) -> None:
    """Refuse what cannot be a request to cancel.

    Raises:
        TypeError: If an argument has the wrong type.
    """
    require(str, operation_id, "operation_id", "a string")
    require(CancelationReason, reason, "reason", "a CancelationReason")
    if message is not None:
        require(str, message, "message", "a string")


def seconds_or_none(value: float | timedelta | None, name: str) -> float | None:
    """Return a time span in seconds, if there is one.

    Raises:
        TypeError: If it is no time span.
        ValueError: If it is zero, negative or NaN.
    """
    return None if value is None else positive_seconds(value, name)


def epoch(value: datetime | float | None) -> float | None:
    """Return a moment in seconds since the epoch; one without a time zone is local time.

    Raises:
        TypeError: If it is no moment.
        ValueError: If it is NaN, or cannot be told in seconds.
    """
    if isinstance(value, datetime):
        try:
            return value.timestamp()
        except (ValueError, OverflowError, OSError):  # local time of the first or last day that there is
            raise ValueError(f"since must be a moment that this computer can tell in UTC, not {value!r}") from None
    if value is not None and (isinstance(value, bool) or not isinstance(value, Real)):
        raise TypeError(f"since must be a datetime or seconds since the epoch, not {value!r}")
    if value != value:
        raise ValueError("since must be a datetime or seconds since the epoch, not NaN")
    return value


def ended_filter(status: Statuses | None, name_pattern: str | None) -> OperationFilter:
    """Return a filter for what has ended."""
    return OperationFilter.of({"status": status, "name_pattern": name_pattern})
