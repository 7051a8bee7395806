"""Telling the user of operations that cannot be listed: of each once, and not of too many."""

from __future__ import annotations

import logging
from typing import Final

from hother.cancelable.core import logger

_LIMIT: Final = 100


class Complaints:
    """Logs at WARNING what is wrong with an operation; at DEBUG where that was told before, or of many others."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def tell(self, operation_id: str, why: str) -> None:
        """Tell what is wrong with an operation."""
        is_new = operation_id not in self._told and len(self._told) < _LIMIT
        if is_new:
            self._told.add(operation_id)
        logger.log(
            logging.WARNING if is_new else logging.DEBUG, "the operation %r is not listed: %s", operation_id, why
        )
