"""Asking the store: no question waits long, and few wait at all where it is away."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final, TypeVar

from hother.cancelable.registry.errors import BackendUnavailable

from .deadline import answer_by
from .link import Link
from .scripts import REAP
from .service import Service

T = TypeVar("T")

_SETTLE: Final = 0.3
"""How long a question waits for what this process has noted to be written, in seconds."""
_TRUST: Final = 1.0
"""For how long after an answer the store counts as there, in seconds, whatever the thread says."""
_EVER: Final = 1_000_000_000


class Questions:
    """Asks the store, for one incarnation of a backend."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._probing = threading.Lock()
        self._answered_at = -_TRUST

    def ask(self, question: Callable[[], T], due: float, service: Service | None, *, is_looker: bool) -> T:
        """Return the answer to a question.

        Args:
            question: What to ask; it may use the link.
            due: When the first reply must have come, on the clock of `time.monotonic`.
            service: The thread that writes what is noted, if there is one.
            is_looker: Whether this process takes no part.

        Raises:
            BackendUnavailable: If the store cannot be reached.
        """
        with self._admitted(service), answer_by(due):
            if is_looker:
                self._look_for_lost()
            elif service is not None and service.error is None:
                service.settle(_SETTLE)
            answer = question()
        self._answered_at = time.monotonic()
        if service is not None:
            service.retry()
        return answer

    @contextmanager
    def _admitted(self, service: Service | None) -> Generator[None]:
        """Let one question at a time through where the store seems to be away; the others learn that at once."""
        error = None if service is None else service.error
        if error is None or time.monotonic() - self._answered_at < _TRUST:
            yield
        elif self._probing.acquire(blocking=False):
            try:
                yield
            finally:
                self._probing.release()
        else:
            raise BackendUnavailable(str(error))

    def _look_for_lost(self) -> None:
        """Have processes noticed whose lease is out, since there may be none left that does so; forget nothing."""
        try:
            while self._link.call(REAP, _EVER, _EVER):
                pass
        except BackendUnavailable:  # one may look all the same where one may not write
            pass
