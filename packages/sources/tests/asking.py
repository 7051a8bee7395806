"""Predicates for the tests of conditions, and what the ticker still holds."""

from __future__ import annotations

from typing import Any

from hother.cancelable.core import current_backend
from hother.cancelable.sources.ticker import current_ticker


def now() -> float:
    """Return the time on the loop's clock, in callbacks of the loop, too."""
    backend, loop, _ = current_backend()
    return backend.now(loop)


class Answers:
    """A predicate that gives one answer after the other, the last one for ever; an exception is raised."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.asked: list[float] = []

    def __call__(self) -> Any:
        self.asked.append(now())
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, BaseException):
            raise answer
        return answer


class AsyncAnswers(Answers):
    """The same, with an async `__call__`."""

    async def __call__(self) -> Any:
        return super().__call__()


class Undecided:
    """An answer that is neither true nor false."""

    def __bool__(self) -> bool:
        raise ArithmeticError("neither true nor false")


def is_idle() -> bool:
    """Tell whether the ticker of the running loop has nothing to do: no callback, no timer, nobody who waits."""
    ticker = current_ticker()
    return not (ticker._callbacks or ticker._timers or ticker._crowds)
