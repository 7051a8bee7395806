"""Operations whose id another process holds: they are tried again, since it may be about to give the id up."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Iterable
from typing import Final

from .complaints import Complaints

SOON: Final = 0.05
"""After how many seconds an id is tried again first: an end may be on its way from another process."""


class Taken:
    """Remembers which operations are not listed, and when to try the latest of them again."""

    def __init__(self, complaints: Complaints) -> None:
        self.due: float = math.inf
        """When to try again what was refused for the first time, on the clock of `time.monotonic`."""
        self._complaints = complaints
        self._since: dict[str, float] = {}
        self._fresh: list[str] = []

    def note(self, written: Iterable[str], taken: Collection[str]) -> None:
        """Note what has become of operations that were written: which of them were refused."""
        now = time.monotonic()
        for each in written:
            if each not in taken:
                self._since.pop(each, None)
            elif each not in self._since:
                self._since[each] = now
                self._fresh.append(each)
                self.due = min(self.due, now + SOON)
            elif now >= self._since[each] + SOON:
                self._complaints.tell(each, "another process has one with this id")

    def forget(self, ended: Iterable[str]) -> None:
        """Forget operations that run no more."""
        for each in ended:
            self._since.pop(each, None)

    def take_due(self) -> list[str]:
        """Return what is to be tried again now, and has been refused once."""
        if time.monotonic() < self.due:
            return []
        fresh, self._fresh, self.due = self._fresh, [], math.inf
        return [each for each in fresh if each in self._since]

    def ids(self) -> list[str]:
        """Return all of them."""
        return list(self._since)
