"""Streams that can be stopped: an async iterator around another one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable
from datetime import timedelta
from types import TracebackType
from typing import Any, Generic, NoReturn, Self, TypeVar

from hother.cancelable import Cancelable, CancelationToken
from hother.cancelable.core import Loop, current_loop, entered_here, post, require

from .driving import drive_bare, drive_inside, drive_steps
from .gate import PauseGate
from .iterating import close_in_system_task, close_iterator, require_stream
from .operations import new_operation, operation_under
from .partial import PartialResult
from .reporting import ProgressFunction, Reporter
from .settings import Settings

T = TypeVar("T")


def cancelable_stream(
    stream: AsyncIterable[T],
    cancelable: Cancelable | None = None,
    *,
    timeout: float | timedelta | None = None,
    item_timeout: float | timedelta | None = None,
    token: CancelationToken | None = None,
    report_interval: int | None = None,
    on_progress: ProgressFunction | None = None,
    buffer_partial: bool = False,
    buffer_limit: int = 1000,
    gate: PauseGate | None = None,
    operation_id: str | None = None,
    name: str | None = None,
) -> CancelableAsyncIterator[T]:
    """Iterate a stream so that it can be stopped, and never in the consumer's body.

    Inside an operation that was entered the stream ends with it. Otherwise, and with a limit, token or name of its own,
    the stream is an operation itself, which is only open while the next item is waited for. A request to stop that
    comes while the consumer works is seen at the next item.

    A source that holds a task group or a cancel scope open across its own `yield` cannot be an operation's own: iterate
    it inside an operation that was entered, without limits, or in chunks with `max_wait`.

    Args:
        stream: What `async for` takes: an async generator, iterator or iterable, a receive stream of anyio.
        cancelable: The operation that this belongs to: the one that the caller has entered; or one that was not entered
            yet, which becomes the stream's own.
        timeout: How long the stream may wait for its items in all, in seconds or as a `timedelta`.
        item_timeout: How long it may wait for one item.
        token: Ends the stream when it is cancelled.
        report_interval: Report progress through the operation after every so many items, without the items.
        on_progress: Called with the count and the latest item after every item, or every `report_interval` items.
        buffer_partial: Keep the latest items in `partial.buffer`.
        buffer_limit: How many of them.
        gate: Holds the stream between two items while it is paused.
        operation_id: For the operation of the stream.
        name: For the operation of the stream, which is called "stream" unless it is given.

    Returns:
        An async iterator, and a context manager that closes it. After a `break` out of a bare `async for` it is closed
        soon once nothing refers to it; one that is kept in a variable stays open, to go on with.

    Raises:
        TypeError: If this is no async stream, or an argument has the wrong type.
        ValueError: If a time or number is not positive. At the first item: if a name or id is given besides an
            operation that was not entered yet, which has its own.
        RuntimeError: At the first item, or the next one after its block: if the operation has ended. At an item, while
            another task waits for one, or if the source holds a scope open that the stream's operation cannot span.

    Example:
        ```python
        import anyio

        from hother.cancelable import TimeoutCancelation, cancelable_stream
        from hother.cancelable.streams import StreamConfig, simulate_stream


        async def main() -> None:
            stalling = simulate_stream("to-be-continued", StreamConfig(chunk_size=5, stall_after=2, stall_time=10))
            stream = cancelable_stream(stalling, item_timeout=0.05)
            try:
                async with stream:
                    async for piece in stream:
                        print(piece)
                        #> to-be
                        #> -cont
            except TimeoutCancelation as error:
                print(error.message)
                #> no item within 0.05 s
            print(stream.partial)
            #> <PartialResult 2 items, not completed>


        anyio.run(main)
        ```
    """
    settings = Settings(
        timeout,
        item_timeout,
        token,
        report_interval,
        on_progress,
        buffer_partial,
        buffer_limit,
        gate,
        operation_id,
        name,
    )
    return CancelableAsyncIterator(stream, cancelable, settings)


class CancelableAsyncIterator(AsyncIterator[T], Generic[T]):
    """A stream that can be stopped, as `cancelable_stream` makes it.

    Attributes:
        partial: What has come so far; the same object as `operation.context.partial_result`.
    """

    def __init__(self, stream: AsyncIterable[T], cancelable: Cancelable | None, settings: Settings) -> None:
        require_stream(stream)
        if cancelable is not None:
            require(Cancelable, cancelable, "cancelable", "a Cancelable")
        self._stream = stream
        self._settings = settings
        self._given = cancelable
        self._limits = settings.limits()
        self._operation = new_operation(settings, self._limits) if cancelable is None else cancelable
        if cancelable is not None and cancelable.is_running and settings.need_operation:
            self._operation = operation_under(cancelable, settings, self._limits)
        self._inside: Cancelable | None = None
        self._iterator: AsyncIterator[T] | None = None
        self._generator: AsyncGenerator[T, None] | None = None
        self._loop: Loop | None = None
        self.partial: PartialResult = PartialResult(settings.buffer_limit if settings.buffer_partial else 0)

    @property
    def operation(self) -> Cancelable:
        """The operation that ends the stream: the one given, or the stream's own.

        A stream of an operation that another task has entered gets its own, a child of that, at the first item; one
        that is handed over to another task gets it there.
        """
        return self._operation

    def __aiter__(self) -> AsyncIterator[T]:  # noqa: PYI034
        """Return the stream itself, or on asyncio the generator that drives it, which belongs to this task."""
        generator = self._started()
        # The generator alone is faster. asyncio closes it when nobody iterates it any more; trio warns of such a one.
        # It cannot tell who takes its items: begun inside an operation and iterated in another task than asked for it,
        # it is not interrupted there.
        faster = isinstance(self._loop, asyncio.AbstractEventLoop) and not _is_running(generator)
        return generator if faster else self

    async def __anext__(self) -> T:
        generator = self._started()
        if _is_running(generator):
            _refuse()
        return await generator.__anext__()

    async def aclose(self) -> None:
        """End the stream and close its source, in any task.

        Raises:
            RuntimeError: While another task waits for an item; cancel the operation instead.
        """
        if self._generator is None:
            self._generator = _nothing()
            self._iterator = self._stream if isinstance(self._stream, AsyncIterator) else None
        if _is_running(self._generator):
            _refuse()
        await self._generator.aclose()
        iterator, self._iterator = self._iterator, None
        if iterator is not None and not self.partial.began:  # a generator that has not begun closes nothing
            await close_iterator(iterator)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __del__(self) -> None:
        generator: AsyncGenerator[T, None] | None = getattr(self, "_generator", None)
        if generator is None or isinstance(self._loop, asyncio.AbstractEventLoop):
            return
        if not _has_ended(generator):
            post(self._loop, close_in_system_task, generator)

    def _started(self) -> AsyncGenerator[T, None]:
        if self._generator is None:
            self._loop = current_loop()
            self._generator = self._start()
        elif self._inside is not None and not entered_here(self._inside) and _is_suspended(self._generator):
            self._generator = self._go_on(self._generator)
        return self._generator

    def _start(self) -> AsyncGenerator[T, None]:
        given, settings = self._given, self._settings
        inside = given is not None and entered_here(given) and not settings.need_operation
        if given is not None and not inside and (self._operation is given or not given.is_running):
            self._operation = operation_under(given, settings, self._limits)
        self._inside = given if inside else None
        self._operation.context.partial_result = self.partial
        if given is not None:
            given.context.partial_result = self.partial
        self._iterator = iterator = aiter(self._stream) if self._iterator is None else self._iterator
        # An iterator may lack the `__aiter__` that `async for` needs.
        bare = not settings.need_reporter and settings.gate is None and hasattr(iterator, "__aiter__")
        if inside and bare:
            return drive_bare(iterator, self.partial, self._operation)
        drive = drive_inside if inside else drive_steps
        return drive(iterator, self.partial, self._operation, self._advance(iterator))

    def _go_on(self, generator: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
        """Go on, with an operation of the stream's own, where the scope of the one it was begun inside is not open."""
        if not self.partial.began:
            return self._start()
        assert self._inside is not None
        self._operation, self._inside = operation_under(self._inside, self._settings, None), None
        self._operation.context.partial_result = self.partial
        self._iterator, self.partial.began = generator, False
        return drive_steps(generator, self.partial, self._operation, generator.__anext__)

    def _advance(self, iterator: AsyncIterator[T]) -> Callable[[], Awaitable[T]]:
        """Return what awaits an item: held by the gate, within the limits, and reported."""
        advance: Callable[[], Awaitable[T]] = iterator.__anext__
        if self._limits is not None:
            advance = self._limits.around(advance)
        if self._settings.gate is not None:
            advance = self._settings.gate.around(advance)
        target = self._operation if self._given is None else self._given
        reporter = Reporter(self.partial, self._settings.report_interval, self._settings.on_progress)
        return reporter.around(advance, target)


def _refuse() -> NoReturn:
    raise RuntimeError(
        "another task waits for an item of this stream, which is already running; cancel its operation instead"
    )


def _is_running(generator: AsyncGenerator[Any, None]) -> bool:
    return bool(generator.ag_running)  # type: ignore[attr-defined]


def _has_ended(generator: AsyncGenerator[Any, None]) -> bool:
    return generator.ag_frame is None  # type: ignore[attr-defined]


def _is_suspended(generator: AsyncGenerator[Any, None]) -> bool:
    return not _is_running(generator) and not _has_ended(generator)


async def _nothing() -> AsyncGenerator[Any, None]:
    """Yield nothing, for a stream that was closed before it began."""
    return
    yield
