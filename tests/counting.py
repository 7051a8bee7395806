"""What code does, counted instead of timed: the same on every machine and on every run."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections import Counter
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, TypeVar

PACKAGES = str(Path(__file__).parents[1] / "packages")
"""Where the counted code is; what anyio and Python itself do belongs to them, and changes with their versions."""

T = TypeVar("T")
Work = Callable[[], Coroutine[Any, Any, object]]


class CountingLoop(asyncio.SelectorEventLoop):
    """An event loop that counts what is scheduled on it."""

    def __init__(self) -> None:
        super().__init__()
        self.scheduled: int = 0
        for name in ("call_soon", "call_soon_threadsafe", "call_at"):
            setattr(self, name, self._counting(getattr(self, name)))

    def _counting(self, schedule: Callable[..., T]) -> Callable[..., T]:
        def counted(*args: Any, **kwargs: Any) -> T:
            self.scheduled += 1
            return schedule(*args, **kwargs)

        return counted


async def scheduled(work: Work) -> int:
    """Return how many callbacks a run schedules on the loop, timers included."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, CountingLoop)
    before = loop.scheduled
    await work()
    return loop.scheduled - before


async def instructions(work: Work) -> int:
    """Return how many bytecode instructions of the packages a run executes."""
    with _counted() as functions:
        await work()
    return functions.total()


async def by_function(work: Work) -> Counter[str]:
    """Return the same by function: who it is that has become slower."""
    with _counted() as functions:
        await work()
    return functions


@contextmanager
def new_objects_alone() -> Generator[None]:
    """Let the garbage collector pass over what exists already, so that collecting takes no time."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


if sys.version_info >= (3, 12):

    @contextmanager
    def _counted() -> Generator[Counter[str]]:
        functions: Counter[str] = Counter()
        monitoring = sys.monitoring
        tool = next(number for number in (4, 3) if monitoring.get_tool(number) is None)

        def count(code: CodeType, offset: int) -> Any:
            if not code.co_filename.startswith(PACKAGES):
                return monitoring.DISABLE
            functions[code.co_qualname] += 1
            return None

        monitoring.use_tool_id(tool, "counting")
        monitoring.register_callback(tool, monitoring.events.INSTRUCTION, count)
        monitoring.set_events(tool, monitoring.events.INSTRUCTION)
        try:
            yield functions
        finally:
            monitoring.set_events(tool, monitoring.events.NO_EVENTS)
            monitoring.register_callback(tool, monitoring.events.INSTRUCTION, None)
            monitoring.free_tool_id(tool)
            monitoring.restart_events()

else:

    @contextmanager
    def _counted() -> Generator[Counter[str]]:
        functions: Counter[str] = Counter()

        def local(frame: FrameType, event: str, argument: object) -> Any:
            frame.f_trace_opcodes = True
            if event == "opcode":
                functions[frame.f_code.co_qualname] += 1
            return local

        def trace(frame: FrameType, event: str, argument: object) -> Any:
            return local(frame, event, argument) if frame.f_code.co_filename.startswith(PACKAGES) else None

        former = sys.gettrace()
        sys.settrace(trace)
        try:
            yield functions
        finally:
            sys.settrace(former)
