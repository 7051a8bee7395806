"""The thread that serves a backend: no operation ever waits for it."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from hother.cancelable.core import logger
from hother.cancelable.registry.errors import BackendUnavailable

from .notes import Notes
from .writer import LeaseLost, Writer

_FIRST_PAUSE: Final = 0.2
_AFTER_LEASE: Final = 0.05
_REST: Final = 0.2
"""How long a fork waits, in seconds: longer than a healthy server needs, and not for one that is away."""


class Service:
    """Keeps the store up to date, and comes back when it was away."""

    def __init__(self, writer: Writer, notes: Notes, address: str, longest_pause: float) -> None:
        self.error: BackendUnavailable | None = None
        """Why the store cannot be used at the moment."""
        self.errors: int = 0
        """How many attempts to write or to be heard of have failed."""
        self._writer = writer
        self._notes = notes
        self._address = address
        self._longest_pause = longest_pause
        self._has_joined = False
        self._must_resume = False
        self._must_stop = False
        self._retry_now = False
        self._is_busy = True
        self._is_resting = False
        self._working = threading.RLock()  # an operation that is told to stop may fork, too
        self._failures = 0
        self._asked = self._served = 0
        self._rounds = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="cancelable-registry", daemon=True)

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Write what is left and leave, within so many seconds."""
        self._must_stop = True
        self._notes.wake()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout)

    def rest(self) -> None:
        """Wait until the thread holds no lock that a child process would wait for, but not for long."""
        self._is_resting = self._working.acquire(timeout=_REST)

    def go_on(self) -> None:
        """Let the thread work again."""
        if self._is_resting:
            self._working.release()

    def retry(self) -> None:
        """Try the store at once if it was away."""
        if self.error is not None:
            self._retry_now = True
            self._notes.wake()

    def settle(self, timeout: float) -> None:
        """Wait until what was noted before is written, so that its author finds it; not if the store is away."""
        if not self._is_busy and not len(self._notes):
            return
        with self._rounds:
            self._asked += 1
            ticket = self._asked
            self._notes.wake()
            self._rounds.wait_for(lambda: self._served >= ticket or self.error is not None, timeout)

    @property
    def is_available(self) -> bool:
        """Whether this process takes part, and the store has answered when it was last asked."""
        return self._has_joined and self.error is None

    @property
    def heartbeat_age(self) -> float | None:
        """How long ago the store has heard of this process, in seconds."""
        beat = self._writer.last_beat
        return None if beat is None else time.monotonic() - beat

    def _run(self) -> None:
        while not self._must_stop:
            if self._try(self._round):
                self._notes.wait(self._writer.idle_time())
                self._notes.gather()
        self._try(self._leave)
        self._writer.close()

    def _try(self, step: Callable[[], None]) -> bool:
        try:
            with self._working:
                step()
        except LeaseLost:
            self._writer.renew()
            self._has_joined = False
            self._pause(_AFTER_LEASE)
        except BackendUnavailable as error:
            self._away(error)
        except Exception as error:
            logger.debug("the registry's thread failed", exc_info=True)
            self._away(BackendUnavailable(f"the registry's thread failed: {type(error).__name__}"))
        else:
            self._back()
            return True
        return False

    def _round(self) -> None:
        self._is_busy, asked = True, self._asked
        self._notes.listen()  # what woke the thread in a pause is taken now
        if not self._has_joined:
            self._writer.join()
            self._has_joined, self._must_resume = True, False
        if self._must_resume:
            self._writer.resume()
            self._must_resume = False
        self._writer.flush()
        with self._rounds:
            self._is_busy, self._served = False, asked
            self._rounds.notify_all()

    def _leave(self) -> None:
        """Write what is left, also where the store was away until now, and take part no more."""
        try:
            self._round()
        except LeaseLost:  # while the store was away
            self._writer.renew()
            self._has_joined = False
            self._round()
        self._writer.leave()

    def _away(self, error: BackendUnavailable) -> None:
        if self.error is None:
            logger.warning("%s; operations go on, and are listed again when it is back", error)
        with self._rounds:
            self.error, self.errors = error, self.errors + 1
            self._must_resume = True
            self._rounds.notify_all()
        longest = min(_FIRST_PAUSE * 2 ** min(self._failures, 10), self._longest_pause)
        self._failures += 1
        self._pause(longest * random.uniform(0.5, 1))

    def _back(self) -> None:
        self._failures = 0
        if self.error is not None:
            self.error = None
            logger.info("the registry's Redis at %s is back", self._address)

    def _pause(self, seconds: float) -> None:
        """Wait before another attempt, whatever is noted meanwhile."""
        end = time.monotonic() + seconds
        while not self._must_stop and not self._retry_now and (left := end - time.monotonic()) > 0:
            self._notes.wait(left)
        self._retry_now = False


def health_of(service: Service | None, notes: Notes) -> dict[str, Any]:
    """Return how the connection stands; without a service there is none yet."""
    error = None if service is None else service.error
    return {
        "available": service is not None and service.is_available,
        "queue": len(notes),
        "heartbeat_age": None if service is None else service.heartbeat_age,
        "error": None if error is None else str(error),
        "errors": 0 if service is None else service.errors,
        "dropped": notes.dropped,
    }
