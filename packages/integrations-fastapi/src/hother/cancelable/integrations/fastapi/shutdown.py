"""Ending streams and requests when the server shuts down: first those that would never end, then all."""

from __future__ import annotations

import signal
import threading
from collections.abc import AsyncGenerator, Generator, Iterable
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from types import FrameType
from typing import Any, Final

from hother.cancelable import CancelationReason, CancelationToken
from hother.cancelable.core import Loop, Timer, current_backend, current_loop, positive_seconds, post

from .ending import Ending

MESSAGE: Final = "the server is shutting down"


class GracefulShutdown:
    """Tells requests that the server shuts down, so that it need not wait for those that would never end.

    Servers wait for open requests before they end the app's lifespan; an endless stream keeps them waiting for ever.
    With this, on SIGTERM and SIGINT:

    1. The operations of responses that have started and of web sockets end at once, with the reason `SHUTDOWN`, and
       new requests on connections that are still open get a 503. Requests that work on their answer go on.
    2. What still runs after the grace time is ended as well: with a 503, or cut off if its response had started.

    The server's own handlers run at each signal as before, so a second Ctrl-C still forces. Where the server lets no
    signal reach the app (hypercorn installs its handlers later, a server in a thread has none), call `begin_shutdown`.

    Args:
        grace: How long requests may go on after the signal, in seconds or as a `timedelta`. Take less than the
            server's own limit, if it has one.
        signals: The signals that begin it.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If the grace time is zero, negative or NaN, or a signal is unknown.

    Example:
        ```python
        from fastapi import FastAPI
        from hother.cancelable.integrations.fastapi import GracefulShutdown, RequestCancelationMiddleware

        shutdown = GracefulShutdown(grace=20)
        app = FastAPI(lifespan=shutdown.lifespan)
        app.add_middleware(RequestCancelationMiddleware, shutdown=shutdown)
        ```
    """

    def __init__(
        self,
        grace: float | timedelta = 10.0,
        signals: Iterable[signal.Signals | int] = (signal.SIGTERM, signal.SIGINT),
    ) -> None:
        self.token: CancelationToken = CancelationToken()
        """Cancelled, with the reason `SHUTDOWN`, as soon as the shutdown begins."""
        self._grace = positive_seconds(grace, "grace")
        self._signals = _checked(signals)
        self._open: dict[Ending, None] = {}
        self._loop: Loop | None = None
        self._timer: Timer | None = None
        self._has_middleware = False

    @property
    def has_begun(self) -> bool:
        """Whether the server is shutting down."""
        return self.token.is_cancelled

    def begin_shutdown(self, message: str = MESSAGE) -> bool:
        """Begin the shutdown of the requests, from any thread or signal handler. The server itself is not told.

        Args:
            message: What to tell the reader of a record.

        Returns:
            Whether this call was the first.
        """
        first = self.token.cancel_sync(CancelationReason.SHUTDOWN, message)
        if first and self._loop is not None:
            post(self._loop, self._end_streams)
        return first

    @asynccontextmanager
    async def lifespan(self, app: Any = None) -> AsyncGenerator[None]:
        """Listen to signals while the app is served: the lifespan of the app, or a part of yours.

        Args:
            app: What FastAPI gives to every lifespan.

        Raises:
            RuntimeError: If no middleware follows the requests, or the shutdown has begun in an earlier life.
        """
        if not self._has_middleware:
            raise RuntimeError(
                "no middleware tells this GracefulShutdown of requests: "
                "app.add_middleware(RequestCancelationMiddleware, shutdown=...), on the app that has this lifespan"
            )
        if self.has_begun:
            raise RuntimeError("this GracefulShutdown has begun before; make a new one, with the app, to serve again")
        self._loop = current_loop()
        try:
            with self._listening():
                yield
        finally:
            self._loop = None
            self._stop_timer()

    def middleware_is_there(self) -> None:
        """Note that a middleware follows the requests. For middlewares."""
        self._has_middleware = True

    def follow(self, ending: Ending) -> None:
        """End a request, too, when the time has come. For middlewares."""
        if not self._open:
            self._loop = current_loop()
        self._open[ending] = None

    def forget(self, ending: Ending) -> None:
        """Leave a request alone from now on. For middlewares."""
        self._open.pop(ending, None)
        if not self._open:
            self._stop_timer()

    def _end_streams(self) -> None:
        if self._loop is None or not self._open:  # the lifespan has ended meanwhile, or there is nothing to end
            return
        message = self.token.message or MESSAGE
        for ending in list(self._open):
            if ending.is_stream:
                ending.ask(CancelationReason.SHUTDOWN, message)
        backend, loop, _ = current_backend()
        self._timer = backend.call_at(loop, backend.now(loop) + self._grace, self._end_all)

    def _end_all(self) -> None:
        for ending in list(self._open):
            ending.end(CancelationReason.SHUTDOWN, self.token.message or MESSAGE)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @contextmanager
    def _listening(self) -> Generator[None]:
        """Put a handler before each of the server's, and take it away again."""
        former: dict[int, Any] = {}
        if threading.current_thread() is threading.main_thread():
            former = {each: signal.getsignal(each) for each in self._signals}

        def handle(number: int, frame: FrameType | None) -> None:
            self.begin_shutdown()
            former[number](number, frame)

        # Without a handler the process ends as it always did: there is no server that would wait.
        former = {number: handler for number, handler in former.items() if callable(handler)}
        for number in former:
            signal.signal(number, handle)
        try:
            yield
        finally:
            for number, handler in former.items():
                if signal.getsignal(number) is handle:
                    signal.signal(number, handler)


def _checked(signals: Iterable[signal.Signals | int]) -> tuple[signal.Signals, ...]:
    listed = [True] if isinstance(signals, (str, int)) else list(signals)
    if any(isinstance(each, bool) or not isinstance(each, int) for each in listed):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"signals must be a list of signals, such as [signal.SIGTERM], not {signals!r}")
    return tuple(signal.Signals(each) for each in listed)
