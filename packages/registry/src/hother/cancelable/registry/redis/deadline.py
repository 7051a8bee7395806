"""By when a question must be answered, however many replies that takes."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

ANSWER_TIMEOUT: Final = 1.8
"""How long an answer may take, in seconds, with all that it needs: a thread, a connection, a login."""
_AT_ONCE: Final = 0.001


class _Due(threading.local):
    at: float | None = None


_due: Final = _Due()


@contextmanager
def answer_by(moment: float) -> Generator[None]:
    """Have what this thread reads come until a moment, on the clock of `time.monotonic`."""
    before, _due.at = _due.at, moment
    try:
        yield
    finally:
        _due.at = before


def is_over() -> bool:
    """Return whether there is no time left."""
    return _due.at is not None and time.monotonic() >= _due.at


def answered() -> None:
    """Give the next part of a question as long as the first one, since the server answers."""
    if _due.at is not None:
        _due.at = time.monotonic() + ANSWER_TIMEOUT


def left(seconds: float) -> float:
    """Return how long to wait where it would be so many seconds."""
    return seconds if _due.at is None else min(seconds, max(_due.at - time.monotonic(), _AT_ONCE))


@functools.cache
def punctual(connection_class: Any, connect_timeout: float) -> Any:
    """Return a kind of connection that waits for each reply until the moment that is set, and for the first, too."""

    class Punctual(connection_class):  # type: ignore[misc]
        def _connect(self) -> Any:
            mine: Any = self  # what it is of is known only when it is made
            parent: Any = super()
            own = mine.socket_timeout
            mine.socket_connect_timeout, mine.socket_timeout = left(connect_timeout), left(own)
            try:
                return parent._connect()
            finally:
                mine.socket_timeout = own

        def read_response(self, *args: Any, **options: Any) -> Any:
            mine: Any = self
            parent: Any = super()
            if mine._sock is not None:
                mine._sock.settimeout(left(mine.socket_timeout))
            return parent.read_response(*args, **options)

    return Punctual
