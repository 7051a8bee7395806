"""The decorator that runs an endpoint as an operation and answers for it when it is cancelled."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any, Final, TypeVar, cast, overload

import anyio
from anyio import to_thread
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket

from fastapi.exceptions import HTTPException, WebSocketException
from hother.cancelable import Cancelable, CancelationError, CancelationReason, current_operation
from hother.cancelable.core import end_steps, positive_seconds, require, step

from .answers import answer_to, last_event
from .dependency import cancelable_dependency
from .handlers import has_left, is_closed, log_if_broken
from .messages import name_of
from .monitor import SCOPE_KEY
from .signatures import ConnectionParameter, Kind, kind_of
from .silence import is_only, reason_of

_NOTHING: Final = object()

F = TypeVar("F", bound=Callable[..., Any])


@overload
def with_cancelation(endpoint: F, /) -> F: ...
@overload
def with_cancelation(timeout: float | timedelta | None = None, raise_on_cancel: bool = True) -> Callable[[F], F]: ...
def with_cancelation(timeout: Any = None, raise_on_cancel: bool = True) -> Any:
    """Run an endpoint as the operation of its request, and answer when it is cancelled.

    Works bare and called: `@with_cancelation` and `@with_cancelation(timeout=30)`, below the route's decorator. Inside,
    `current_operation()` is the operation; it ends when the client leaves or time is up. Endpoints may be `async def`,
    `def` (they run in a worker thread as ever, where `current_operation().check()` stops them), generators of both
    kinds, objects with `__call__`, and `functools.partial`. Signature and OpenAPI schema stay the endpoint's own.

    The client gets a 504 after a timeout, a 499 after a manual cancel, a 503 when a signal or the server's shutdown
    (with `Retry-After`) ended it, otherwise a 500; also for such exceptions of operations that the endpoint has made
    itself. If the client has left nothing is sent. A `TimeoutError` of your own and cancellations by the server are not
    touched. A web socket is closed with the code that `add_cancelation_handlers` names. Of a generator the response
    has started before it runs: event streams end with an event that says why, others are cut off.

    Args:
        timeout: How long the endpoint may take, in seconds or as a `timedelta`.
        raise_on_cancel: Whether to raise the `HTTPException` of the answer. If not, the `CancelationError` itself goes
            to the exception handlers of the app.

    Raises:
        TypeError: If the endpoint is not callable, the timeout no time span, or `raise_on_cancel` no bool.
        ValueError: If the timeout is zero, negative or NaN.

    Example:
        ```python
        import anyio
        from fastapi import FastAPI
        from hother.cancelable.integrations.fastapi import with_cancelation

        app = FastAPI()


        @app.get("/slow")
        @with_cancelation(timeout=30)
        async def slow() -> str:
            await anyio.sleep(5)
            return "done"
        ```
    """
    require(bool, raise_on_cancel, "raise_on_cancel", "True or False")
    if callable(timeout):
        return _decorated(timeout, None, raise_on_cancel)
    seconds = None if timeout is None else positive_seconds(timeout, "timeout")

    def decorate(endpoint: F) -> F:
        return _decorated(endpoint, seconds, raise_on_cancel)

    return decorate


class _Run:
    """One call of a decorated endpoint."""

    def __init__(self, operation: Cancelable, connection: HTTPConnection | None, raises: bool) -> None:
        self.operation: Cancelable = operation
        self._connection = connection
        self._raises = raises

    @contextmanager
    def answering(self) -> Generator[None]:
        """Raise what FastAPI answers with in the place of a cancellation."""
        try:
            yield
        except Exception as error:
            if not is_only(error, CancelationError) or not self._raises or self.client_has_left(reason_of(error)):
                raise
            answer = answer_to(reason_of(error))
            log_if_broken(error)
            if isinstance(self._connection, WebSocket):
                if is_closed(self._connection) or has_left(self._connection):
                    return
                raise WebSocketException(answer.close_code, answer.detail) from error
            raise HTTPException(answer.status, answer.detail, dict(answer.headers)) from error

    def client_has_left(self, reason: CancelationReason) -> bool:
        """Tell whether nobody is there to be answered."""
        return reason is CancelationReason.DISCONNECT and self._connection is not None and has_left(self._connection)

    async def next_item(self, generator: AsyncGenerator[Any]) -> tuple[Any, bool]:
        """Return the next item of an endpoint that is a generator, if there is one, and whether it goes on after it.

        Raises:
            CancelationError: If it was cancelled and the response is to be cut off: it has started already.
        """

        async def advance() -> Any:
            await self.operation.check_cancelation()  # it may never wait for anything itself
            return await generator.__anext__()

        try:
            return await step(self.operation, advance), True
        except StopAsyncIteration:
            return _NOTHING, False
        except CancelationError as error:
            if self.client_has_left(error.reason):
                return _NOTHING, False
            if not self._is_event_stream():
                raise
            return last_event(error.reason), False

    def _is_event_stream(self) -> bool:
        route = None if self._connection is None else self._connection.scope.get("route")
        return getattr(route, "is_sse_stream", False)


def _stream_operation(connection: HTTPConnection | None, timeout: float | None) -> Cancelable:
    """Make the operation of an endpoint that is a generator.

    It runs while its response is being sent, which without the middleware goes past whatever an endpoint could put
    there to watch the client: Starlette does so itself then, and cancels it.
    """
    if connection is None or SCOPE_KEY in connection.scope:
        return cancelable_dependency(connection, timeout)
    return Cancelable(name=name_of(connection.scope), timeout=timeout)


def _decorated(endpoint: F, timeout: float | None, raises: bool) -> F:
    if not callable(endpoint):
        raise TypeError(f"with_cancelation() decorates an endpoint, not {endpoint!r}")
    parameter, kind = ConnectionParameter(endpoint), kind_of(endpoint)
    make_operation = _stream_operation if kind in (Kind.ASYNC_GENERATOR, Kind.GENERATOR) else cancelable_dependency

    def begin(kwargs: dict[str, Any]) -> _Run:
        connection = parameter.take(kwargs)
        return _Run(make_operation(connection, timeout), connection, raises)

    wrappers = {
        Kind.COROUTINE: _awaited,
        Kind.THREAD: _in_thread,
        Kind.ASYNC_GENERATOR: _iterated,
        Kind.GENERATOR: _iterated_in_thread,
    }
    return cast(F, parameter.disguise(wrappers[kind](endpoint, begin), endpoint))


def _awaited(endpoint: Callable[..., Any], begin: Callable[[dict[str, Any]], _Run]) -> Callable[..., Any]:
    async def run(*args: Any, **kwargs: Any) -> Any:
        call = begin(kwargs)
        with call.answering():
            async with call.operation:
                return await endpoint(*args, **kwargs)

    return run


def _in_thread(endpoint: Callable[..., Any], begin: Callable[[dict[str, Any]], _Run]) -> Callable[..., Any]:
    async def run(*args: Any, **kwargs: Any) -> Any:
        call = begin(kwargs)
        with call.answering():
            async with call.operation:
                # in one: the endpoint may have a parameter of the same name as one of run_in_thread()
                return await call.operation.run_in_thread(partial(endpoint, *args, **kwargs))

    return run


def _iterated(endpoint: Callable[..., Any], begin: Callable[[dict[str, Any]], _Run]) -> Callable[..., Any]:
    async def run(*args: Any, **kwargs: Any) -> AsyncGenerator[Any]:
        call = begin(kwargs)
        generator = endpoint(*args, **kwargs)
        goes_on = True
        try:
            while goes_on:
                item, goes_on = await call.next_item(generator)
                if item is not _NOTHING:
                    yield item
        finally:
            await end_steps(call.operation, generator.aclose)

    return run


def _iterated_in_thread(endpoint: Callable[..., Any], begin: Callable[[dict[str, Any]], _Run]) -> Callable[..., Any]:
    async def generate(*args: Any, **kwargs: Any) -> AsyncGenerator[Any]:
        generator = endpoint(*args, **kwargs)
        operation = current_operation()
        assert operation is not None  # of the step
        try:
            # unlike InThreads this is interrupted when a thread comes back late, and so closes the generator at once
            while (item := await operation.run_in_thread(next, generator, _NOTHING)) is not _NOTHING:
                yield item
        finally:
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(generator.close)

    return _iterated(generate, begin)
