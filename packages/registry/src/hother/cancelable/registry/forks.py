"""What is told when the process forks, and before it ends."""

from __future__ import annotations

import atexit
import multiprocessing
import os
from collections.abc import Callable
from typing import Any, Protocol
from weakref import WeakValueDictionary


class Forkable(Protocol):
    """Something that a child must not share with its parent, like threads, connections, or what runs there."""

    def before_fork(self) -> None:
        """Let the threads come to rest, so that the child finds no lock that one of them holds."""

    def after_fork_in_parent(self) -> None:
        """Go on."""

    def after_fork(self) -> None:
        """Become another process."""


_known: WeakValueDictionary[int, Forkable] = WeakValueDictionary()
_hooked: list[bool] = []


def follow_forks(each: Forkable) -> None:
    """Have something told when this process forks."""
    if not _hooked and hasattr(os, "register_at_fork"):
        _hooked.append(True)
        os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
    _known[id(each)] = each


def call_at_exit(function: Callable[[], object]) -> None:
    """Have a function called when this process ends in good order."""
    atexit.register(function)
    if multiprocessing.parent_process() is not None:  # which skips atexit in forked children before Python 3.13
        from multiprocessing import util

        finalize: Any = util.Finalize
        finalize(None, function, exitpriority=10)


def _living() -> list[Forkable]:
    """Return what is told; other threads may add to it meanwhile."""
    return [each for reference in _known.valuerefs() if (each := reference()) is not None]


def _before() -> None:
    for each in _living():
        each.before_fork()


def _in_parent() -> None:
    for each in _living():
        each.after_fork_in_parent()


def _in_child() -> None:
    for each in _living():
        each.after_fork()
