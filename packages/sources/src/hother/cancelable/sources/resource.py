"""A source that fires when the machine or the process runs short of something."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from hother.cancelable.core import Disarm, Fire, positive_seconds

from .condition import ConditionSource, Predicate
from .extras import require_extra
from .limits import Limit, Meter, WatchedLimits, cpu_meter
from .paths import path_text


class ResourceConditionSource(ConditionSource):
    """Fires when one of some limits on memory, processors or disk is reached.

    Measured with psutil: `pip install "hother-cancelable-sources[resources]"`. The processors are measured without
    waiting, from one check to the next, so a limit on them cannot be reached at the first; with intervals below 0.1 s
    the system's own counting shows.

    Args:
        memory_percent: How much of the machine's memory may be in use, in percent.
        cpu_percent: How busy all processors together may be between two checks, in percent.
        disk_percent: How full the disk may be, in percent.
        disk_path: A path on that disk.
        process_rss: How much memory this process may hold (its resident set), in bytes.
        sustained: For how long one and the same limit must have been reached at every check, in seconds or as a
            `timedelta`; unless given, once is enough.
        check_interval: How often it is measured, in seconds or as a `timedelta`.
        in_thread: Measure in a worker thread, for a disk that may be slow to answer.

    Raises:
        TypeError: If a limit is no number, the path no path, or a time no time span.
        ValueError: Without any limit, for percentages that are not more than 0 and at most 100, for sizes that are not
            finite and more than zero, and for times that are zero, negative or NaN.
        FileNotFoundError: If the path does not exist.
        ImportError: If psutil is not installed.

    Example:
        ```python
        import anyio

        from hother.cancelable import Cancelable
        from hother.cancelable.sources import ResourceConditionSource


        async def main() -> None:
            source = ResourceConditionSource(process_rss=1_000, check_interval=0.01)
            async with Cancelable.with_source(source, move_on=True) as operation:
                await anyio.sleep(10)
            print(operation.context.cancel_message.partition(" at ")[0])
            #> memory of this process


        anyio.run(main)
        ```
    """

    def __init__(
        self,
        *,
        memory_percent: float | None = None,
        cpu_percent: float | None = None,
        disk_percent: float | None = None,
        disk_path: str | os.PathLike[str] = "/",
        process_rss: float | None = None,
        sustained: float | timedelta | None = None,
        check_interval: float | timedelta = 1.0,
        in_thread: bool = False,
    ) -> None:
        psutil = require_extra("psutil", "resources", type(self).__name__)
        disk = _existing(disk_path)
        self.limits: list[Limit] = [
            *_percentage("memory", memory_percent, "memory_percent", lambda: lambda: psutil.virtual_memory().percent),
            *_percentage("CPU", cpu_percent, "cpu_percent", lambda: cpu_meter(psutil)),
            *_percentage(f"disk {disk}", disk_percent, "disk_percent", lambda: lambda: psutil.disk_usage(disk).percent),
            *_size("memory of this process", process_rss, lambda: lambda: psutil.Process().memory_info().rss),
        ]
        if not self.limits:
            raise ValueError(
                f"{type(self).__name__} needs a limit: memory_percent, cpu_percent, disk_percent or process_rss"
            )
        self.sustained: float = 0.0 if sustained is None else positive_seconds(sustained, "sustained")
        self._watched = WatchedLimits(self.limits, self.sustained)
        super().__init__(self._watched, check_interval, ", ".join(limit.what for limit in self.limits), in_thread)

    async def wait(self) -> str:
        """Measure until a limit has been reached."""
        if not self.in_thread:  # awaited by hand; an operation that takes a worker thread has armed it, once for all
            self._start_afresh()
        message = await super().wait()
        self._start_afresh()
        return message

    def arm(self, fire: Fire) -> Disarm | None:
        """Measure now, and have the ticker measure from then on; in a worker thread it is waited for."""
        self._start_afresh()
        return super().arm(fire)

    def _start_afresh(self) -> None:
        """Forget what has been measured; a worker thread that is late knows only what belonged to its operation."""
        self._watched = WatchedLimits(self.limits, self.sustained)
        self.predicate: Predicate = self._watched

    def _message(self) -> str:
        return self._watched.message


def _percentage(what: str, value: object, name: str, start: Callable[[], Meter]) -> list[Limit]:
    if value is None:
        return []
    number = _number(value, name)
    if not 0 < number <= 100:
        raise ValueError(f"{name} must be more than 0 and at most 100, not {value!r}")
    return [Limit(what, number, start)]


def _size(what: str, value: object, start: Callable[[], Meter]) -> list[Limit]:
    if value is None:
        return []
    number = _number(value, "process_rss")
    if not 0 < number < math.inf:
        raise ValueError(f"process_rss must be a number of bytes, more than zero, not {value!r}")
    return [Limit(what, number, start, unit="bytes", digits=0)]


def _number(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number, not {value!r}")
    try:
        return float(value)
    except OverflowError:  # of a large int
        return math.inf if value > 0 else -math.inf


def _existing(value: object) -> str:
    path = path_text(value, "disk_path")
    if "\0" in path or not Path(path).exists():
        raise FileNotFoundError(f"disk_path does not exist: {path!r}")
    return path
