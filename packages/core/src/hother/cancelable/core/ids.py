"""Names for operations and tokens that are unique across processes, and cost nothing until one is asked for."""

from __future__ import annotations

import itertools
import os

_numbers = itertools.count(1)
_process: str | None = None


def new_id() -> str:
    """Return 64 random bits of this process, renewed in a fork, and a number of their own."""
    return f"{_process or _begin()}-{next(_numbers)}"


def _begin() -> str:
    global _process
    if _process is None and hasattr(os, "register_at_fork"):  # asking for the process id each time costs more
        os.register_at_fork(after_in_child=_forget)
    _process = os.urandom(8).hex()
    return _process


def _forget() -> None:
    global _process
    _process = ""
