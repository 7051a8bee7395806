"""Reading time spans that users give."""

from __future__ import annotations


def positive_seconds(value: object, name: str) -> float:
    """Return a time span in seconds.

    Raises:
        TypeError: If it is neither a number nor a `timedelta`.
        ValueError: If it is zero, negative, NaN, or too large for a float.
    """
    if type(value) is float and value > 0:
        return value
    if not isinstance(value, (int, float)):
        value = _seconds_of(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number of seconds or a timedelta, not {value!r}")
    if not value > 0:
        raise ValueError(f"{name} must be more than zero seconds, not {value!r}")
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{name} must be a number of seconds that a float can hold") from None


def _seconds_of(value: object) -> object:
    from datetime import timedelta  # loaded when it is needed: most programs give numbers

    return value.total_seconds() if isinstance(value, timedelta) else value
