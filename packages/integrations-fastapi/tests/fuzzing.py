"""Requests made up at random: what the app does, what the server does, and what both of them saw of it."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import anyio
from anyio.lowlevel import checkpoint
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hother.cancelable import Cancelable
from hother.cancelable.testing import nothing_left_behind, virtual_clock

Backend = Literal["asyncio", "trio"]
Wrap = Callable[[ASGIApp], ASGIApp]


class Odd(BaseException):
    """An exception that `except Exception` does not see."""


class Arrival(NamedTuple):
    """Something that `receive` has for the app."""

    what: Message | Exception
    after: int
    """After how many steps of the app it comes; at once if the app waits for it."""


class Do(NamedTuple):
    """One step of an app."""

    kind: Literal["receive", "send", "turn", "sleep", "raise", "cancel", "call"]
    what: Any = None


@dataclass
class Request:
    """What happens in one request."""

    scope: dict[str, Any]
    steps: list[Do]
    arrivals: list[Arrival]
    send_fails: dict[int, Exception] = field(default_factory=dict[int, Exception])
    """Which sends fail, counted from 1."""
    in_operation: bool = False
    reads_beside: bool = False
    """Whether a task of its own reads what comes, instead of the app between its other steps."""
    catches: bool = False
    """Whether the app goes on where `receive` and `send` raise."""


@dataclass
class Seen:
    """What was seen of a request."""

    by_app: list[tuple[str, Any]] = field(default_factory=list[tuple[str, Any]])
    """What `receive` and `send` gave to the app."""
    by_reader: list[Message | str] = field(default_factory=list[Message | str])
    """What `receive` gave to a task beside the app."""
    by_server: list[Message] = field(default_factory=list[Message])
    """What the server was to send."""
    left: str | None = None
    """The exception that left the app, or the middleware."""
    departed: bool = False
    """Whether the server has said that the client has left."""
    cancelled: bool = False
    """Whether somebody has cancelled the whole request."""


class Served:
    """The server's side of a request, and the app's."""

    def __init__(self, request: Request) -> None:
        self.seen = Seen()
        self._request = request
        self._arrivals = deque(request.arrivals)
        self._steps = 0
        self._sends = 0
        self._asks = False
        self._is_gone = False
        self._news = anyio.Event()
        self._everything = anyio.CancelScope()

    async def run(self, wrap: Wrap) -> None:
        """Serve the request."""
        scope = {key: list(value) if isinstance(value, list) else value for key, value in self._request.scope.items()}
        with self._everything:
            try:
                await wrap(self._app)(scope, self.receive, self.send)
            except (Exception, Odd, BaseExceptionGroup) as error:
                self.seen.left = re.sub(" at 0x[0-9a-f]+", "", repr(error))

    async def receive(self) -> Message:
        """Give what has arrived; once all of it is given, a client that waits leaves.

        That it has left is said for ever, and without a checkpoint, as uvicorn does.
        """
        gone = {"type": f"{self._request.scope['type']}.disconnect"}
        if self._is_gone:
            return gone
        await checkpoint()
        while not self._has_arrived():
            await self._news.wait()
        self._asks = False
        what = self._arrivals.popleft().what if self._arrivals else gone
        if isinstance(what, Exception):
            raise what
        if what == gone:
            self._is_gone = self.seen.departed = True
        return what

    def _has_arrived(self) -> bool:
        return self._asks or bool(self._arrivals and self._arrivals[0].after <= self._steps)

    async def send(self, message: Message) -> None:
        """Send a message, or fail."""
        kind = message["type"]
        await checkpoint()
        error = self._request.send_fails.get(self._sends)
        if error is not None:
            self.seen.departed |= isinstance(error, OSError)
            raise error
        self.seen.by_server.append({**message, "type": kind})

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with AsyncExitStack() as stack:
            if self._request.in_operation:
                await stack.enter_async_context(Cancelable())
            if not self._request.reads_beside:
                await self._follow(self._request.steps, receive, send)
                return
            async with anyio.create_task_group() as group:
                group.start_soon(self._read, receive)
                await self._follow([step for step in self._request.steps if step.kind != "receive"], receive, send)
                group.cancel_scope.cancel()

    async def _read(self, receive: Receive) -> None:
        with suppress(Exception):
            while not self._is_gone:
                self.seen.by_reader.append(await receive())

    async def _follow(self, steps: list[Do], receive: Receive, send: Send) -> None:
        for step in steps:
            self._tell_news(step.kind == "receive")
            try:
                await self._do(step, receive, send)
            except Exception as error:
                self.seen.by_app.append(("error", repr(error)))
                if step.kind == "raise" or not self._request.catches:
                    raise

    def _tell_news(self, asks: bool) -> None:
        self._steps += 1
        self._asks = asks
        news, self._news = self._news, anyio.Event()
        news.set()

    async def _do(self, step: Do, receive: Receive, send: Send) -> None:
        match step.kind:
            case "receive":
                self.seen.by_app.append(("message", await receive()))
            case "send":
                self._sends += 1
                await send(step.what)
                self.seen.by_app.append(("sent", step.what))
            case "turn":
                await checkpoint()
            case "sleep":
                await anyio.sleep(step.what)
            case "raise":
                raise step.what
            case "cancel":
                self.seen.cancelled = True
                self._everything.cancel()
            case "call":
                step.what()


def serve(request: Request, wrap: Wrap, backend: Backend) -> Seen:
    """Serve a request on a clock that jumps, see to it that nothing is left behind, and return what was seen."""

    async def main() -> Seen:
        served = Served(request)
        async with nothing_left_behind():
            await served.run(wrap)
        return served.seen

    return anyio.run(main, backend=backend, backend_options=virtual_clock(backend))


def begin_alike(one: Seen, other: Seen) -> bool:
    """Tell whether readers beside the app have seen the same, as far as they came; then leave them out."""
    alike = all(first == second for first, second in zip(one.by_reader, other.by_reader, strict=False))
    one.by_reader = other.by_reader = []
    other.departed = one.departed
    return alike
