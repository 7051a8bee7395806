"""What operations note for the service thread, without waiting: also in signal handlers."""

from __future__ import annotations

import time
from collections import deque
from queue import Empty, SimpleQueue
from typing import Final

from hother.cancelable.registry.records import OperationRecord

ENDED_LIMIT: Final = 10_000
"""How many ends are kept for a store that is away; the oldest go first."""
FORGOTTEN_LIMIT: Final = 10_000
"""How many ids are kept of what is followed no more."""
_GATHER: Final = 0.002
"""How long notes are gathered before they are written, in seconds."""


class Notes:
    """Bounded by what runs, and by a limit for what has ended.

    Every change is one atomic call on a built-in type, and the thread is woken with `SimpleQueue.put`, the one way
    that may come in between itself: no lock that an interrupted caller could hold.
    """

    def __init__(self) -> None:
        self.dropped: int = 0
        """How many ends were too many to keep."""
        self.has_progress: bool = False
        """Whether progress was noted since it was last taken."""
        self._changed: dict[str, None] = {}
        self._progressed: dict[str, None] = {}
        self._ended: deque[OperationRecord] = deque(maxlen=ENDED_LIMIT)
        self._forgotten: deque[str] = deque(maxlen=FORGOTTEN_LIMIT)
        self._has_lost_some = False
        self._news: SimpleQueue[None] = SimpleQueue()
        self._is_woken = False

    def changed(self, operation_id: str) -> None:
        """Note that an operation is to be written soon."""
        self._changed[operation_id] = None
        if not self._is_woken:
            self.wake()

    def progressed(self, operation_id: str) -> None:
        """Note that an operation is to be written with the next round of progress."""
        self._progressed[operation_id] = None
        if not self.has_progress:
            self.has_progress = True
            self.wake()

    def ended(self, record: OperationRecord) -> None:
        """Note how an operation has ended."""
        self._changed.pop(record.id, None)
        self._progressed.pop(record.id, None)
        if len(self._ended) == ENDED_LIMIT:
            self.dropped += 1
        self._ended.append(record)
        if not self._is_woken:
            self.wake()

    def forgotten(self, operation_id: str) -> None:
        """Note that an operation is followed no more."""
        self._changed.pop(operation_id, None)
        self._progressed.pop(operation_id, None)
        if len(self._forgotten) == FORGOTTEN_LIMIT:
            self._has_lost_some = True
        self._forgotten.append(operation_id)
        if not self._is_woken:
            self.wake()

    def wake(self) -> None:
        """Wake the thread."""
        self._is_woken = True
        self._news.put(None)

    def wait(self, timeout: float) -> bool:
        """Wait in the thread until something is noted, so many seconds at most; False if nothing was."""
        try:
            self._news.get(timeout=max(timeout, 0))
        except Empty:
            return False
        return True

    def gather(self) -> None:
        """Let some more notes come in, then have the next one wake the thread again."""
        time.sleep(_GATHER)
        self.listen()

    def listen(self) -> None:
        """Have the next note wake the thread, whichever of them has before."""
        self._is_woken = False

    def take_changed(self) -> list[str]:
        """Take the operations that are to be written."""
        return _take(self._changed)

    def take_progressed(self) -> list[str]:
        """Take those that have only reported progress."""
        self.has_progress = False
        return _take(self._progressed)

    def take_ended(self, most: int) -> list[OperationRecord]:
        """Take the oldest ends."""
        taken: list[OperationRecord] = []
        while len(taken) < most:
            try:
                taken.append(self._ended.popleft())
            except IndexError:
                break
        return taken

    def take_forgotten(self) -> list[str]:
        """Take what is followed no more."""
        return [self._forgotten.popleft() for _ in range(len(self._forgotten))]

    def take_loss(self) -> bool:
        """Take whether more is followed no more than could be kept."""
        has_lost_some, self._has_lost_some = self._has_lost_some, False
        return has_lost_some

    def put_back(self, changed: list[str]) -> None:
        """Note again what could not be written."""
        for operation_id in changed:
            self._changed[operation_id] = None

    def ended_ids(self) -> set[str]:
        """Return which operations have ended and are not written yet."""
        return {record.id for record in self._ended.copy()}

    def __len__(self) -> int:
        return len(self._changed) + len(self._progressed) + len(self._ended) + len(self._forgotten)


def _take(noted: dict[str, None]) -> list[str]:
    taken = list(noted)
    for each in taken:
        noted.pop(each, None)
    return taken
