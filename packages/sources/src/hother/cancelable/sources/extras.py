"""Libraries that only some sources need."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def require_extra(library: str, extra: str, wanted_by: str) -> Any:
    """Import a library that an extra of this package brings.

    Args:
        library: The name of the module.
        extra: The extra.
        wanted_by: What the user wrote, for the error.

    Raises:
        ImportError: If it is not installed; says what to install.
    """
    try:
        return import_module(library)
    except ModuleNotFoundError as error:
        if error.name != library:
            raise
        message = f'{wanted_by} needs {library}: pip install "hother-cancelable-sources[{extra}]"'
        raise ImportError(message, name=library) from None
