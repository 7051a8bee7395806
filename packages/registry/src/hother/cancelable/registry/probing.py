"""How late event loops are: a loop that is blocked does not answer."""

from __future__ import annotations

import time
from collections.abc import Iterable

from hother.cancelable.core import Loop, post


class _Ping:
    """A call that a loop was asked to make."""

    __slots__ = ("answered", "sent")

    def __init__(self) -> None:
        self.sent: float = time.monotonic()
        self.answered: float | None = None

    def answer(self) -> None:
        self.answered = time.monotonic()

    @property
    def lag(self) -> float:
        return (time.monotonic() if self.answered is None else self.answered) - self.sent


class Probe:
    """Asks loops for an answer now and then. Used by one thread."""

    def __init__(self) -> None:
        self._pings: dict[Loop, _Ping] = {}

    def lag(self, loops: Iterable[Loop]) -> float | None:
        """Return how late the latest answer came or is, in seconds, and ask again; None without loops."""
        lags: list[float] = []
        pings: dict[Loop, _Ping] = {}
        for loop in dict.fromkeys(loops):
            ping = self._pings.get(loop)
            if ping is not None:
                lags.append(ping.lag)
            if ping is None or ping.answered is not None:
                ping = _Ping()
                post(loop, ping.answer)
            pings[loop] = ping
        self._pings = pings
        return max(lags, default=0.0 if pings else None)
