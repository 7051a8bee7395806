"""The response that streams a body under an operation."""

from __future__ import annotations

from collections.abc import AsyncIterable, Generator, Iterable, Mapping
from datetime import timedelta
from typing import Self

import anyio
from anyio.lowlevel import checkpoint
from starlette.background import BackgroundTask
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from fastapi.sse import ServerSentEvent
from hother.cancelable import Cancelable, CancelationError, CancelationReason, CancelationToken, OperationStatus
from hother.cancelable.core import positive_seconds, require

from .chunks import as_async, encoded, require_chunk_size
from .messages import name_of
from .monitor import SCOPE_KEY, Monitor
from .pulling import Source, pulling
from .silence import answer_base_http_middleware, cut_base_http_middleware, lies_in_base_http_middleware
from .sse import EVENT_STREAM, HEADERS, framed, is_event_stream
from .transfer import Transfer
from .watching import watching

Item = str | bytes | memoryview | ServerSentEvent
"""What a stream may yield; events only to event streams."""


class CancelableStreamingResponse(StreamingResponse):
    """The response that `cancelable_streaming_response` makes, where its arguments are described.

    Awaiting it gives itself.
    """

    def __init__(
        self,
        generator: AsyncIterable[Item] | Iterable[Item],
        cancelable: Cancelable | None = None,
        media_type: str | None = None,
        chunk_size: int | None = None,
        *,
        ping: float | timedelta | None = None,
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        background: BackgroundTask | None = None,
    ) -> None:
        self._cancelable = None if cancelable is None else _not_ended(cancelable)
        if media_type is None:
            media_type = EVENT_STREAM if cancelable is None else "text/plain"
        self._chunk_size = None if chunk_size is None else require_chunk_size(chunk_size)
        self._ping = None if ping is None else positive_seconds(ping, "ping")
        self._events = is_event_stream(media_type)
        self._name = "a streaming response"
        self._request_token: CancelationToken | None = None
        self._started = self._start_sent = False
        if ping is not None and not self._events:
            raise ValueError(f"ping is for event streams: leave it out, or give media_type {EVENT_STREAM!r}")
        if ping is not None and chunk_size is not None:
            raise ValueError("ping and chunk_size exclude each other: a ping must not come within an event")
        super().__init__(as_async(generator), status_code, headers, media_type, background)
        if self._events:
            for name, value in HEADERS.items():
                self.headers.setdefault(name, value)

    def __await__(self) -> Generator[None, None, Self]:
        return self
        yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response in the caller's task, then run the background tasks."""
        if scope["type"] == "websocket":  # a denial response
            await super().__call__(scope, receive, send)
            return
        self._name = name_of(scope)
        try:
            if scope["method"] == "HEAD":
                await self._send_head(send)
            else:
                async with watching(scope, receive, send) as (monitor, watched_send):
                    self._request_token = monitor.token_for_operation()
                    await self.stream_response(watched_send)
        except CancelationError as error:
            if self._started:
                await self._run_background(scope)
                if self._start_sent and lies_in_base_http_middleware(receive, send):
                    await cut_base_http_middleware(send, error)
            raise
        if not self._started:  # the client has left
            await answer_base_http_middleware(receive, send)
        await self._run_background(scope)

    async def _run_background(self, scope: Scope) -> None:
        if self.background is not None:
            monitor: Monitor | None = scope.get(SCOPE_KEY)
            if monitor is not None:
                await monitor.stop()  # or what is entered in there would end with the request
            await self.background()

    async def _send_head(self, send: Send) -> None:
        self._started = True
        async with pulling(self.body_iterator):
            await send(self._start_message())
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def stream_response(self, send: Send) -> None:
        """Send the start, the body and its end; nothing more once the client has left.

        Raises:
            CancelationError: If the body is incomplete and the client could not be told why.
        """
        operation = self._operation()
        if self._request_token is not None:
            operation.token.link(self._request_token)
        transfer = Transfer(send, self._start_message(), operation, events=self._events, chunk_size=self._chunk_size)
        try:
            await self._transfer(operation, transfer)
        except OSError:
            if not transfer.client_left:
                raise
        finally:
            self._started, self._start_sent = transfer.started, transfer.start_sent

    async def _transfer(self, operation: Cancelable, transfer: Transfer) -> None:
        try:
            async with operation, transfer.pinging(self._ping), pulling(self.body_iterator) as source:
                await self._send_items(source, transfer)
            if operation.is_cancelled:  # it moves on, but half of a body must not look like all of it
                operation.check()
        except CancelationError as error:
            if transfer.failure is not None:
                raise transfer.failure from None
            if not _client_left(operation) and not await transfer.tell_why(error.reason):
                raise
            return
        if not _client_left(operation):
            await transfer.finish()

    async def _send_items(self, source: Source, transfer: Transfer) -> None:
        await checkpoint()
        if self._events:
            await transfer.begin()
        while True:
            try:
                item = await source.pull()
            except StopAsyncIteration:
                return
            data = framed(item) if self._events else encoded(item, self.charset)
            try:
                await transfer.add(data)
            except anyio.get_cancelled_exc_class() as interruption:
                source.interrupt(interruption)

    def _operation(self) -> Cancelable:
        """Return the operation to enter: the user's own if it was not entered yet, or else one below it."""
        given = self._cancelable
        if given is not None and given.context.status is OperationStatus.PENDING:
            return given
        operation = Cancelable(name=self._name, parent=given)
        if given is not None and given.is_cancelled:
            operation.cancel_sync(CancelationReason.PARENT, given.context.cancel_message)
        return operation

    def _start_message(self) -> Message:
        return {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}


def _not_ended(cancelable: Cancelable) -> Cancelable:
    require(Cancelable, cancelable, "cancelable", "a Cancelable")
    if cancelable.context.status not in (OperationStatus.PENDING, OperationStatus.RUNNING):
        raise RuntimeError(
            f"{cancelable!r} has ended, so it cannot end a response any more: give an operation that was not entered; "
            "the response enters it"
        )
    return cancelable


def _client_left(operation: Cancelable) -> bool:
    return operation.token.reason is CancelationReason.DISCONNECT


def cancelable_streaming_response(
    generator: AsyncIterable[Item] | Iterable[Item],
    cancelable: Cancelable | None = None,
    media_type: str | None = None,
    chunk_size: int | None = None,
    *,
    ping: float | timedelta | None = None,
    status_code: int = 200,
    headers: Mapping[str, str] | None = None,
    background: BackgroundTask | None = None,
) -> CancelableStreamingResponse:
    """Make a response that streams what a generator yields, and stops and closes it when nobody wants it any more.

    The generator runs under an operation, which ends when the client leaves, with the middleware and without, and for
    whatever else ends it. The generator is then closed at once, in the same task; its clean-up may await, for up to
    30 seconds. A sync generator runs in worker threads, is never abandoned there, and hears of the end through
    `current_operation().check()`.

    If the operation ends while the client is still there, or the generator raises a `CancelationError`, an event stream
    gets a last event `cancelled`, whose data say why, as in `{"reason": "timeout", "detail": "The request took too
    long"}`, and a clean end. Any other body is cut off, also with `move_on`, because half of it must not look like all
    of it; before the first piece nothing was sent, so the exception can still become a proper answer. What a slow
    client had not accepted by then is lost; it has 5 seconds for the last event, then an event stream is cut off, too.

    The result may be returned as it is, or awaited. The body of the request can be read in the generator where
    somebody watches from before the endpoint returns: with the middleware, `cancelable_dependency` or
    `get_request_token`.

    Args:
        generator: An async or sync generator, or any iterable, of text or bytes; for event streams also of FastAPI's
            `ServerSentEvent`. Text for event streams has to have their format.
        cancelable: The operation. One that was not entered is entered by the response. One that runs becomes the parent
            of the response's own, and ends the response only while its own block lasts: if the endpoint returns from
            inside the block, its timeout is over before the body is sent.
        media_type: By default `text/event-stream` when only a generator is given, and `text/plain` with an operation.
        chunk_size: Cut the body into pieces of so many bytes, whatever is yielded; by default it is sent as it comes.
        ping: Send a comment to the client of an event stream whenever nothing was sent for so long, in seconds or as a
            `timedelta`, so that proxies keep the connection open.
        status_code: The status of the response.
        headers: Its headers. Event streams get those that keep proxies from holding them back.
        background: What to run after the response; nothing of the request ends it.

    Raises:
        TypeError: If an argument has the wrong type. What a generator yields is refused when it comes.
        ValueError: If a size or time is not positive, or if `ping` is given for another body than an event stream, or
            with a `chunk_size`.
        RuntimeError: If the operation has ended already.

    Example:
        ```python
        from collections.abc import AsyncIterator

        import anyio
        from fastapi import FastAPI
        from fastapi.sse import ServerSentEvent
        from hother.cancelable.integrations.fastapi import CancelableStreamingResponse, cancelable_streaming_response

        app = FastAPI()


        @app.get("/progress")
        async def progress() -> CancelableStreamingResponse:
            async def generate() -> AsyncIterator[ServerSentEvent]:
                for percent in range(100):
                    yield ServerSentEvent(data={"percent": percent}, event="progress")
                    await anyio.sleep(0.5)

            return cancelable_streaming_response(generate(), ping=15)
        ```
    """
    return CancelableStreamingResponse(
        generator,
        cancelable,
        media_type,
        chunk_size,
        ping=ping,
        status_code=status_code,
        headers=headers,
        background=background,
    )
