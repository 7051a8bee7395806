"""One check of the paths that sources are given."""

from __future__ import annotations

import os
from typing import Any, cast


def path_text(value: object, name: str) -> str:
    """Return a path as text.

    Raises:
        TypeError: If it is neither a str nor an object that stands for one.
    """
    text: object = os.fspath(cast("os.PathLike[Any]", value)) if hasattr(value, "__fspath__") else value
    if not isinstance(text, str):
        raise TypeError(f"{name} must be a str or a path, not {value!r}")
    return text
