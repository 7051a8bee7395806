"""The operation: work that can be told to stop."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Any, ParamSpec, Self, TypeVar, Unpack

import anyio
from anyio.lowlevel import checkpoint_if_cancelled

from .callbacks import ErrorCallback, ProgressCallback, StatusCallback, checked, log_failure, settle
from .cause import requested
from .checking import check
from .combining import combined
from .context import OperationContext
from .lifecycle import Lifecycle
from .observer import everywhere, notify
from .reason import CancelationReason, OperationStatus
from .seconds import positive_seconds
from .shield import shield
from .siblings import load
from .source import CancelationSource
from .state import OperationOptions, TimeoutOptions, TokenOptions
from .threads import run_in_thread
from .token import CancelationToken
from .waiting import wait_for_end

P = ParamSpec("P")
T = TypeVar("T")


class Cancelable(Lifecycle):
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
        timeout: How long the body may take from entry, in seconds or as a `timedelta`.
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
        if not isinstance(token, CancelationToken):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"token must be a CancelationToken, not {token!r}")
        return cls(token=token, **options)

    @classmethod
    def with_source(cls, source: CancelationSource, **options: Unpack[OperationOptions]) -> Self:
        """Make an operation that ends when a source fires.

        Raises:
            TypeError: If it is no source.
        """
        options["sources"] = (source, *options.get("sources", ()))
        return cls(**options)

    @classmethod
    def with_signal(cls, *signals: int, **options: Unpack[OperationOptions]) -> Self:
        """Make an operation that ends when the process receives one of these signals.

        Raises:
            ImportError: If the package `hother-cancelable-sources` is not installed.
        """
        return cls.with_source(load("SignalSource", "Cancelable.with_signal")(*signals), **options)

    @classmethod
    def with_condition(
        cls,
        predicate: Callable[[], bool] | Callable[[], Awaitable[bool]],
        check_interval: float = 0.1,
        condition_name: str | None = None,
        **options: Unpack[OperationOptions],
    ) -> Self:
        """Make an operation that ends when a condition becomes true.

        Args:
            predicate: Returns whether to end; sync or async.
            check_interval: How often it is asked, in seconds.
            condition_name: What the record calls it.
            **options: See `Cancelable`.

        Raises:
            ImportError: If the package `hother-cancelable-sources` is not installed.
        """
        source = load("ConditionSource", "Cancelable.with_condition")
        return cls.with_source(source(predicate, check_interval, condition_name), **options)

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
            RuntimeError: If the operation was entered already.
        """
        if not isinstance(source, CancelationSource):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"the source must be a CancelationSource, not {source!r}")
        if self._status is not OperationStatus.PENDING:
            raise RuntimeError(f"{self._label()} was entered already; add its sources before")
        self._sources = (*self._sources, source)
        return self

    def on_start(self, callback: StatusCallback) -> Self:
        """Have a function called with the context when the operation is entered."""
        return self._on("start", callback)

    def on_complete(self, callback: StatusCallback) -> Self:
        """Have a function called with the context when the body has run to its end."""
        return self._on("complete", callback)

    def on_cancel(self, callback: StatusCallback) -> Self:
        """Have a function called with the context when the operation has ended by cancelation.

        It runs shielded from further cancelation, for `callback_timeout` seconds at most.
        """
        return self._on("cancel", callback)

    def on_error(self, callback: ErrorCallback) -> Self:
        """Have a function called with the context and the exception when the body has raised one."""
        return self._on("error", callback)

    def on_progress(self, callback: ProgressCallback) -> Self:
        """Have a function called with the id, the message and the metadata of each `report_progress`.

        Like all callbacks it may be sync or async, and is logged and passed over when it raises.

        Raises:
            TypeError: If it cannot be called.
        """
        self._progress = (*self._progress, checked(callback))
        return self

    def _on(self, event: str, callback: Callable[..., object]) -> Self:
        if self._callbacks is None:
            self._callbacks = {}
        self._callbacks.setdefault(event, []).append(checked(callback))
        return self

    async def report_progress(self, message: Any, metadata: dict[str, Any] | None = None) -> None:
        """Tell those who follow this operation how far it is.

        Args:
            message: For people, or anything the callbacks understand.
            metadata: Values for machines, for example `{"percent": 40}`.
        """
        for callback in self._progress:
            try:
                result = callback(self._id or self.operation_id, message, metadata)
                if result is not None:
                    await settle(result)
            except Exception as error:
                log_failure(callback, error)
        if everywhere or self._observers:
            notify(self, "progress_reported", message, metadata)

    async def cancel(
        self, reason: CancelationReason | str = CancelationReason.MANUAL, message: str | None = None
    ) -> bool:
        """Tell this operation and its children to stop; they are interrupted at their next checkpoint.

        This is no checkpoint itself: code inside the operation goes on to its next one.

        Args:
            reason: Why. A plain string is taken as the message of a manual request.
            message: What to tell the reader of the record.

        Returns:
            Whether this call was the first. False once the operation has ended.

        Raises:
            TypeError: If an argument has the wrong type.
        """
        cause, here = requested(reason, message)
        return self._token._request(cause, here)

    def cancel_sync(
        self, reason: CancelationReason | str = CancelationReason.MANUAL, message: str | None = None
    ) -> bool:
        """Do the same from any thread or signal handler: it never waits, and the operation's loop is woken.

        Args:
            reason: Why. A plain string is taken as the message of a manual request.
            message: What to tell the reader of the record.

        Returns:
            Whether this call was the first. False once the operation has ended.

        Raises:
            TypeError: If an argument has the wrong type.
        """
        return self._token.cancel_sync(reason, message)

    async def cancel_and_wait(
        self,
        timeout: float | timedelta | None = None,
        reason: CancelationReason | str = CancelationReason.MANUAL,
        message: str | None = None,
    ) -> OperationContext:
        """Tell this operation to stop and wait until it has, from another task or loop.

        Args:
            timeout: How long to wait at most, in seconds; None waits for ever.
            reason: Why. A plain string is taken as the message of a manual request.
            message: What to tell the reader of the record.

        Returns:
            The record, which tells how it ended.

        Raises:
            RuntimeError: In the operation's own body, which would wait for itself.
            TimeoutError: If it has not ended in time. The request stands.
            TypeError: If an argument has the wrong type.
            ValueError: If the timeout is zero, negative or NaN.
        """
        seconds = None if timeout is None else positive_seconds(timeout, "timeout")
        return await wait_for_end(self, seconds, reason, message)

    def check(self) -> None:
        """Raise if this operation was told to stop, or one above it that encloses it; for code without checkpoints.

        In a thread of `run_in_thread` this sees every cancellation of the awaiting task. Inside `shield` it is silent.

        Raises:
            CancelationError: The class that belongs to the reason.
        """
        check(self)

    async def check_cancelation(self) -> None:
        """Be interrupted here if there is a cancellation, and go on at once if there is none.

        Raises:
            CancelationError: As `check` does, where the operation was told to stop and its loop does not know yet.
        """
        await checkpoint_if_cancelled()
        check(self)

    def shield(self, timeout: float | timedelta | None = None) -> AbstractAsyncContextManager[anyio.CancelScope]:
        """Protect a stretch of the body: no cancellation reaches it; a pending one is delivered right after it.

        Args:
            timeout: How long the protection lasts at most, in seconds. Then the stretch itself is cut off.

        Returns:
            A context manager that gives the shielding scope.

        Raises:
            TimeoutError: If the stretch was cut off and no cancellation is pending.
            ValueError: If the timeout is zero, negative or NaN.

        Example:
            ```python
            import anyio

            from hother.cancelable import Cancelable, TimeoutCancelation


            async def main() -> None:
                try:
                    async with Cancelable.with_timeout(0.05) as cancel:
                        async with cancel.shield(timeout=5):
                            await anyio.sleep(0.1)
                            print("committed")
                            #> committed
                        print("never printed")
                except TimeoutCancelation:
                    print("timed out")
                    #> timed out


            anyio.run(main)
            ```
        """
        return shield(self, None if timeout is None else positive_seconds(timeout, "timeout"))

    def reschedule(self, timeout: float | timedelta | None) -> None:
        """Move the deadline: so many seconds from now, or from entry where that is still to come; None lifts it.

        A request to stop that was made already stands.

        Raises:
            TypeError: If it is no time span.
            ValueError: If it is zero, negative or NaN.
            RuntimeError: If the operation has ended, or outside its event loop.
        """
        seconds = None if timeout is None else positive_seconds(timeout, "timeout")
        if self._status is OperationStatus.PENDING:
            self._timeout = seconds
            return
        if not self.is_running or self._backend.current_loop() is not self._loop:
            raise RuntimeError(f"the deadline of {self._label()} can be moved only while it runs, on its own loop")
        if seconds is None:
            self._lift_deadline()
        else:
            self._timeout = seconds
            self._set_deadline(self._backend.now(self._loop) + seconds)

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

    def stream(self, stream: Any, **options: Any) -> Any:
        """Iterate a stream under this operation; see `hother.cancelable.streams.cancelable_stream`.

        Raises:
            ImportError: If the package `hother-cancelable-streams` is not installed.
        """
        return load("cancelable_stream", "Cancelable.stream")(stream, self, **options)
