"""One check of the names that sources are given."""

from __future__ import annotations

from hother.cancelable.core import require


def optional_name(value: object, field: str = "name") -> str:
    """Return a name, or "" where none was given.

    Raises:
        TypeError: If it is neither a str nor None.
    """
    if value is None:
        return ""
    require(str, value, field, "a str")
    return str(value)
