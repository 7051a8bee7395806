"""Async generators that are left open."""

from __future__ import annotations

import sys
import warnings
import weakref
from collections.abc import AsyncGenerator
from typing import Any

Generator = AsyncGenerator[Any, Any]


class GeneratorWatch:
    """Knows the async generators of this thread that began while it was open."""

    def __init__(self) -> None:
        self._begun: list[weakref.ref[Generator]] = []
        self._dropped: list[str] = []

    def open(self) -> None:
        """Begin the watch."""
        self._before = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(firstiter=self._began, finalizer=self._finalize)

    def close(self) -> None:
        """End the watch."""
        sys.set_asyncgen_hooks(*self._before)

    def left(self) -> list[str]:
        """Return what to say of those that are open, or were left to the garbage collector."""
        alive = [generator for reference in self._begun if (generator := reference()) is not None]
        opened = [each for each in alive if getattr(each, "ag_frame", None) is not None]
        return [f"left the async generator {_name(each)} open" for each in opened] + [
            f"left the async generator {name} to the garbage collector: close it, for example with "
            "`async with contextlib.aclosing(…)`"
            for name in self._dropped
        ]

    def _began(self, generator: Generator) -> None:
        self._begun.append(weakref.ref(generator))
        if self._before.firstiter is not None:
            self._before.firstiter(generator)

    def _finalize(self, generator: Generator) -> None:
        self._dropped.append(_name(generator))
        if self._before.finalizer is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)  # trio's, of just that
                self._before.finalizer(generator)


def _name(generator: Generator) -> str:
    return f"{getattr(generator, '__qualname__', generator)!r}"
