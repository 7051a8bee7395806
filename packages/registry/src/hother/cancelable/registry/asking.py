"""Who waits for an answer that is looked up in another thread: since when, and whether still."""

from __future__ import annotations

import time
from contextvars import ContextVar


class Asker:
    """The one who asked; set in the context of the thread that looks up the answer."""

    def __init__(self) -> None:
        self.since: float | None = time.monotonic()
        """When the question was asked; None once that was read."""
        self.has_gone: bool = False
        """Whether nobody waits for the answer any more."""


asker: ContextVar[Asker | None] = ContextVar("hother.cancelable.registry.asker", default=None)


def asked_at() -> float:
    """Return when the question was asked that this thread answers, on the clock of `time.monotonic`.

    That is before it had a thread. The parts of a question after the first one are asked when they begin.
    """
    who, now = asker.get(), time.monotonic()
    if who is None or who.since is None:
        return now
    since, who.since = who.since, None
    return since


def has_gone() -> bool:
    """Return whether the one who asked waits no more."""
    who = asker.get()
    return who is not None and who.has_gone
