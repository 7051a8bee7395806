"""The operation: work that can be told to stop."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar, Unpack

import anyio

from .combining import combined
from .reason import PENDING
from .seconds import positive_seconds
from .siblings import load
from .source import CancelationSource, require_distinct
from .state import require
from .stopping import Stoppable
from .threads import run_in_thread
from .token import CancelationToken

if TYPE_CHECKING:
    from datetime import timedelta

    from hother.cancelable.streams import CancelableAsyncIterator, StreamOptions

    from .options import OperationOptions, TimeoutOptions, TokenOptions

P = ParamSpec("P")
T = TypeVar("T")


class Cancelable(Stoppable):
    """Work that can be told to stop, by any number of sources, and whose end can be explained afterwards.

    Enter it with `async with`. When a source fires, the body is interrupted at its next checkpoint and the exception
    of the reason leaves the block. A body that ends all the same keeps its result. An operation runs once.

    An operation entered inside another one is its child, in the same task or in one started there: it ends when the
    parent is cancelled.

    Args:
        name: What people call it.
        operation_id: What machines call it; made when it is first asked for.
        parent: The operation above it, where that is not the one it is entered in.
        metadata: Anything, for the record.
        timeout: How long the body may take from entry, in seconds or as a `timedelta`; infinity is no limit.
        token: Ends the operation when it is cancelled.
        sources: Further things that end it.
        register_globally: List it in the process-wide registry (package `hother-cancelable-registry`).
        detached: Take no parent, and no token of the surroundings.
        move_on: Leave the block silently instead of raising; `is_cancelled` tells.
        callback_timeout: How long the callbacks for cancel may take together, in seconds.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If a time is zero, negative or NaN.
        ImportError: If `register_globally` is asked for and the registry is not installed.

    Example:
        ```python
        import anyio

        from hother.cancelable import Cancelable, TimeoutCancelation


        async def main() -> None:
            try:
                async with Cancelable.with_timeout(0.05, name="report") as cancel:
                    await anyio.sleep(10)
            except TimeoutCancelation as error:
                print(error)
                #> operation 'report' was cancelled (timeout): not done within 0.05 s
            print(cancel.context.status.value)
            #> cancelled


        anyio.run(main)
        ```
    """

    __slots__ = ()

    @classmethod
    def with_timeout(cls, timeout: float | timedelta, **options: Unpack[TimeoutOptions]) -> Self:
        """Make an operation that may take so long, in seconds or as a `timedelta`, from entry.

        Raises:
            TypeError: If it is no time span.
            ValueError: If it is zero, negative or NaN.
        """
        return cls(timeout=positive_seconds(timeout, "timeout"), **options)

    @classmethod
    def with_token(cls, token: CancelationToken, **options: Unpack[TokenOptions]) -> Self:
        """Make an operation that ends when a token is cancelled.

        Raises:
            TypeError: If it is no token.
        """
        require(CancelationToken, token, "token", "a CancelationToken")
        return cls(token=token, **options)

    @classmethod
    def with_source(cls, source: CancelationSource, **options: Unpack[OperationOptions]) -> Self:
        """Make an operation that ends when a source fires.

        Raises:
            TypeError: If it is no source.
            ValueError: If it is among the `sources` as well.
        """
        require(CancelationSource, source, "source", "a CancelationSource")
        whole = cls(**options)
        whole._sources = (source, *whole._sources)
        require_distinct(whole._sources)
        return whole

    @classmethod
    def with_signal(cls, *signals: int, **options: Unpack[OperationOptions]) -> Self:
        """Make an operation that ends when the process receives one of these signals.

        See `hother.cancelable.sources.SignalSource` for the errors and for what becomes of the former handlers.

        Raises:
            ImportError: If the package `hother-cancelable-sources` is not installed.
        """
        return cls.with_source(load("SignalSource", "Cancelable.with_signal")(*signals), **options)

    @classmethod
    def with_condition(
        cls,
        predicate: Callable[[], object],
        check_interval: float | timedelta = 0.1,
        condition_name: str | None = None,
        *,
        in_thread: bool = False,
        **options: Unpack[OperationOptions],
    ) -> Self:
        """Make an operation that ends when a condition becomes true.

        Args:
            predicate: Returns whether to end; sync or async.
            check_interval: How often it is asked, in seconds or as a `timedelta`.
            condition_name: What the record calls it.
            in_thread: Ask in a worker thread, for a predicate that blocks.
            **options: See `Cancelable`.

        Raises:
            ImportError: If the package `hother-cancelable-sources` is not installed.
        """
        source = load("ConditionSource", "Cancelable.with_condition")
        return cls.with_source(source(predicate, check_interval, condition_name, in_thread), **options)

    def combine(self, *others: Cancelable) -> Cancelable:
        """Return a new operation that ends with any of the parts.

        It has their sources, tokens and callbacks, and the earliest deadline. The parts stay as they were; cancelling
        one of them ends the new operation, too.

        Raises:
            TypeError: If one of them is no operation.
            ValueError: Without others, or if a part is given twice.
            RuntimeError: If a part was entered already.
        """
        if not others:
            raise ValueError(f"combine() needs another operation besides {self._label()}")
        return combined(Cancelable, (self, *others))

    def add_source(self, source: CancelationSource) -> Self:
        """Let a further source end this operation.

        Raises:
            TypeError: If it is no source.
            ValueError: If the operation has it already.
            RuntimeError: If the operation was entered already.
        """
        require(CancelationSource, source, "source", "a CancelationSource")
        if self._status is not PENDING:
            raise RuntimeError(f"{self._label()} was entered already; add its sources before")
        require_distinct((*self._sources, source))
        self._sources = (*self._sources, source)
        return self

    async def run_in_thread(
        self,
        function: Callable[..., T],
        /,
        *args: Any,
        limiter: anyio.CapacityLimiter | None = None,
        abandon_on_cancel: bool = False,
        **kwargs: Any,
    ) -> T:
        """Run a blocking function in a worker thread, where `current_operation().check()` sees cancellations.

        A thread cannot be killed: one that never checks is waited for, and the cancellation is delivered when it comes
        back, its result dropped.

        Args:
            function: What to run; context variables go with it.
            *args: Its arguments.
            limiter: Bounds the number of threads, instead of anyio's default.
            abandon_on_cancel: Leave the thread to itself instead of waiting.
            **kwargs: Its keyword arguments.

        Returns:
            What the function returned.
        """
        call = functools.partial(function, *args, **kwargs)
        return await run_in_thread(self, call, limiter, abandon_on_cancel)

    def wrap(self, function: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
        """Return a coroutine function that looks for a cancellation before each call, for use in retry loops."""

        @functools.wraps(function)
        async def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
            await self.check_cancelation()
            return await function(*args, **kwargs)

        return wrapped

    @asynccontextmanager
    async def wrapping(self) -> AsyncGenerator[Callable[..., Awaitable[Any]]]:
        """Give a function `wrap(function, *args)` that looks for a cancellation before it calls and awaits."""

        async def call(function: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
            await self.check_cancelation()
            return await function(*args, **kwargs)

        yield call

    def stream(self, stream: AsyncIterable[T], **options: Unpack[StreamOptions]) -> CancelableAsyncIterator[T]:
        """Iterate a stream under this operation.

        Args:
            stream: What `async for` takes.
            **options: See `hother.cancelable.streams.cancelable_stream`.

        Raises:
            ImportError: If the package `hother-cancelable-streams` is not installed.
        """
        iterator: CancelableAsyncIterator[T] = load("cancelable_stream", "Cancelable.stream")(stream, self, **options)
        return iterator
