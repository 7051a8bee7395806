"""A coroutine that tells when it suspends, and what is thrown into it."""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from contextlib import suppress
from typing import Any, Protocol, TypeVar, cast

T = TypeVar("T")


class Driver(Protocol):
    """What is told of a coroutine."""

    abandoned: bool
    """Whether the coroutine is not to run any further."""

    def suspended(self, coroutine: object) -> None:
        """It has given control back to the event loop: a suspension point."""

    def threw(self, coroutine: object, error: BaseException) -> None:
        """The event loop throws an exception into it."""


class Abandoned(BaseException):
    """Ends a task whose coroutine was given up."""


class Driven(Coroutine[Any, Any, T]):
    """Stands for a coroutine: event loops run it, and those who look for frames find those of the coroutine.

    Args:
        coroutine: What to run.
        driver: Who is told.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, T], driver: Driver) -> None:
        self._coroutine = coroutine
        self._driver = driver

    def __await__(self) -> Generator[Any, Any, T]:
        return cast("Generator[Any, Any, T]", self)

    def __iter__(self) -> Driven[T]:
        return self

    def __next__(self) -> Any:
        return self.send(None)

    def send(self, value: Any) -> Any:
        if self._driver.abandoned:
            self._give_up(Abandoned())
        error = getattr(value, "error", None)  # trio sends exceptions, in an outcome
        if isinstance(error, BaseException):
            self._driver.threw(self, error)
            del error
        trap = self._coroutine.send(value)
        self._driver.suspended(self)
        return trap

    def throw(self, error: Any, value: Any = None, traceback: Any = None) -> Any:
        exception: BaseException = error if isinstance(error, BaseException) else (value or error())
        if self._driver.abandoned:
            self._give_up(exception)
        self._driver.threw(self, exception)
        try:
            trap = self._coroutine.throw(exception)
        finally:
            del exception, error, value  # or it would find itself in this frame
        self._driver.suspended(self)
        return trap

    def close(self) -> None:
        self._coroutine.close()

    def _give_up(self, error: BaseException) -> None:
        with suppress(RuntimeError):  # it may ignore even this
            self._coroutine.close()
        raise error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._coroutine, name)  # cr_await and the like
