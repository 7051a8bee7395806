"""Names for operations and tokens that are unique across processes, and cost nothing until one is asked for."""

from __future__ import annotations

import itertools
import os

_numbers = itertools.count(1)
_process: tuple[int, str] = (0, "")


def new_id() -> str:
    """Return 64 random bits of this process, renewed in a fork, and a number of their own."""
    global _process
    pid, prefix = _process
    if pid != os.getpid():
        prefix = os.urandom(8).hex()
        _process = (os.getpid(), prefix)
    return f"{prefix}-{next(_numbers):x}"
