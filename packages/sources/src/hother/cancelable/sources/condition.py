"""A source that fires when a condition becomes true."""

from __future__ import annotations

import inspect
import time
import warnings
from collections.abc import Awaitable, Callable
from datetime import timedelta

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar

from hother.cancelable import CancelationSource
from hother.cancelable.core import Disarm, Fire, positive_seconds

from .polling import Polling
from .ticker import current_ticker

SLOW = 0.05
"""How long a predicate may hold up the event loop before it is named, in seconds."""

THREADS = 40
"""How many predicates of an event loop are asked in threads at a time."""

_limiter: RunVar[CapacityLimiter] = RunVar("hother.cancelable.sources.limiter")

Predicate = Callable[[], bool] | Callable[[], Awaitable[bool]]


class ConditionSource(CancelationSource):
    """Fires when a predicate returns true. It is asked on entry, and then at an interval.

    All conditions of an event loop share one ticker: those with the same interval are asked together. Where something
    can tell you of a change, an `anyio.Event` and a source of your own cost less.

    A sync predicate runs on the event loop and should return at once; one that takes more than 50 ms is named once, in
    a `RuntimeWarning`. An async predicate runs in a task beside the operation's body. A predicate that raises ends the
    operation with the reason ERROR.

    Args:
        predicate: Returns whether to end; sync or async. It sees the context variables of the operation.
        check_interval: How often it is asked, in seconds or as a `timedelta`.
        condition_name: What the operation's record calls it; the name of the predicate, unless given.
        in_thread: Ask a sync predicate in a worker thread. A thread that is busy when the operation ends is left alone.

    Raises:
        TypeError: If the predicate cannot be called, or is async while `in_thread` is set, or the interval is no time
            span.
        ValueError: If the interval is zero, negative or NaN.

    Example:
        ```python
        import anyio

        from hother.cancelable import Cancelable, ConditionCancelation
        from hother.cancelable.sources import ConditionSource


        async def main() -> None:
            done: list[int] = []
            enough = ConditionSource(lambda: len(done) >= 3, check_interval=0.01, condition_name="three are done")
            try:
                async with Cancelable.with_source(enough):
                    while True:
                        await anyio.sleep(0.02)
                        done.append(1)
            except ConditionCancelation as error:
                print(error.message)
                #> the condition 'three are done' became true


        anyio.run(main)
        ```
    """

    def __init__(
        self,
        predicate: Predicate,
        check_interval: float | timedelta = 0.1,
        condition_name: str | None = None,
        in_thread: bool = False,
    ) -> None:
        if not callable(predicate):  # pyright: ignore[reportUnnecessaryComparison]
            raise TypeError(f"the predicate must be a function without arguments, not {predicate!r}")
        self._is_async = _is_async(predicate)
        if in_thread and self._is_async:
            raise TypeError(f"an async predicate runs on the event loop, not in a thread: {predicate!r}")
        self.predicate: Predicate = predicate
        self.check_interval: float = positive_seconds(check_interval, "check_interval")
        self.in_thread: bool = in_thread
        self.name: str = condition_name or _name_of(predicate)
        self._was_slow = False
        self._was_sync = False

    async def wait(self) -> str:
        """Ask until the answer is true."""
        ticker = current_ticker()
        while not await self._answer():
            await ticker.wait(self.check_interval)
        return self._message()

    def arm(self, fire: Fire) -> Disarm | None:
        """Ask now, and have the ticker ask from then on; a predicate that takes a task or a thread is waited for."""
        if self._is_async or self.in_thread:
            return None
        stop = Polling(self._ask, fire, self._message).start(self.check_interval)
        if self._is_async:  # its first answer has to be awaited
            stop()
            return None
        return stop

    def _ask(self) -> bool:
        """Ask a sync predicate on the event loop."""
        started = time.perf_counter()
        answer = self.predicate()
        seconds = time.perf_counter() - started
        if seconds > SLOW and not self._was_slow:
            self._was_slow = True
            warnings.warn(
                f"the condition {self.name!r} held up the event loop for {seconds * 1000:.0f} ms; "
                "with in_thread=True it is asked in a worker thread",
                RuntimeWarning,
                stacklevel=2,
            )
        if not isinstance(answer, bool) and inspect.isawaitable(answer):
            _discard(answer)
            if self._was_sync:
                raise TypeError(f"the condition {self.name!r} gave a plain answer first, and then {answer!r}")
            self._is_async = True
            return False
        self._was_sync = True
        return bool(answer)

    async def _answer(self) -> bool:
        """Ask a predicate that takes a task or a thread."""
        answer: bool | Awaitable[bool]
        if self.in_thread:
            # In a tuple, since trio takes a function that returns a coroutine for one that was meant to be awaited.
            (answer,) = await to_thread.run_sync(
                lambda: (self.predicate(),), abandon_on_cancel=True, limiter=thread_limiter()
            )
        else:
            answer = self.predicate()
        return bool(await answer if inspect.isawaitable(answer) else answer)

    def _message(self) -> str:
        return f"the condition {self.name!r} became true"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


def thread_limiter() -> CapacityLimiter:
    """Return what bounds the threads of this loop's conditions, so that hanging ones leave the program its own."""
    limiter = _limiter.get(None)
    if limiter is None:
        limiter = CapacityLimiter(THREADS)
        _limiter.set(limiter)
    return limiter


def _is_async(predicate: Callable[[], object]) -> bool:
    return inspect.iscoroutinefunction(predicate) or inspect.iscoroutinefunction(type(predicate).__call__)


def _name_of(predicate: Callable[[], object]) -> str:
    function = getattr(predicate, "func", predicate)  # of functools.partial
    name: str = getattr(function, "__name__", type(function).__name__)
    return name


def _discard(answer: object) -> None:
    """Let a coroutine that nobody will await end without a warning."""
    if inspect.iscoroutine(answer):
        answer.close()
