"""What has come through a stream so far."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any


class PartialResult:
    """What has come through a stream, kept up to date: after a cancel, an error or a `break` it tells how far it got.

    Attributes:
        began: Whether the source was asked for an item.
        completed: Whether the source has come to its end.
    """

    __slots__ = ("_count", "_kept", "began", "completed")

    def __init__(self, keep: int) -> None:
        self._count: int | Callable[[], int] = 0
        self.began: bool = False
        self.completed: bool = False
        self._kept: deque[Any] = deque(maxlen=keep)

    @property
    def count(self) -> int:
        """How many items were received."""
        return self._count if isinstance(self._count, int) else self._count()

    def count_with(self, counter: int | Callable[[], int]) -> None:
        """Take the number of items from a function, which is called when it is asked for, or as it is."""
        self._count = counter

    @property
    def buffer(self) -> list[Any]:
        """The latest items, as many as the stream was told to keep."""
        return list(self._kept)

    def add(self, item: Any) -> None:
        """Count an item, and keep it if items are kept."""
        self._count = self.count + 1
        self._kept.append(item)

    def to_dict(self) -> dict[str, Any]:
        """Return the parts by name."""
        return {"count": self.count, "completed": self.completed, "buffer": self.buffer}

    def __repr__(self) -> str:
        return f"<PartialResult {self.count} items, {'completed' if self.completed else 'not completed'}>"
