"""What a stream was asked for, checked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from hother.cancelable import CancelationToken
from hother.cancelable.core import positive_seconds, require

from .gate import PauseGate
from .limits import Limits
from .reporting import ProgressFunction


@dataclass
class Settings:
    """The options of `cancelable_stream`."""

    timeout: float | timedelta | None = None
    item_timeout: float | timedelta | None = None
    token: CancelationToken | None = None
    report_interval: int | None = None
    on_progress: ProgressFunction | None = None
    buffer_partial: bool = False
    buffer_limit: int = 1000
    gate: PauseGate | None = None
    operation_id: str | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        for name, text in (("name", self.name), ("operation_id", self.operation_id)):
            if text is not None:
                require(str, text, name, "a str")
        require(bool, self.buffer_partial, "buffer_partial", "a bool")
        if self.token is not None:
            require(CancelationToken, self.token, "token", "a CancelationToken")
        if self.gate is not None:
            require(PauseGate, self.gate, "gate", "a PauseGate")
        if self.on_progress is not None and not callable(self.on_progress):
            raise TypeError(f"on_progress must be a function of a count and an item, not {self.on_progress!r}")
        if self.report_interval is not None:
            positive_count(self.report_interval, "report_interval")
        positive_count(self.buffer_limit, "buffer_limit")
        self._timeout = None if self.timeout is None else positive_seconds(self.timeout, "timeout")
        self._item_timeout = None if self.item_timeout is None else positive_seconds(self.item_timeout, "item_timeout")

    @property
    def need_operation(self) -> bool:
        """Whether the stream must have an operation of its own, also inside one."""
        wanted = (self.timeout, self.item_timeout, self.token, self.operation_id, self.name)
        return any(each is not None for each in wanted)

    @property
    def need_reporter(self) -> bool:
        """Whether something is to be done with each item."""
        return self.buffer_partial or self.report_interval is not None or self.on_progress is not None

    def limits(self) -> Limits | None:
        """Return the limits on the waiting, if there are any."""
        if self._timeout is None and self._item_timeout is None:
            return None
        return Limits(self._timeout, self._item_timeout, self.gate)


def positive_count(value: object, name: str) -> None:
    """Refuse what is no count.

    Raises:
        TypeError: If it is no integer.
        ValueError: If it is less than one.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number, not {value!r}")
    if value < 1:
        raise ValueError(f"{name} must be at least 1, not {value!r}")
