"""Signals that begin the shutdown: the server's handlers run as before, and are back afterwards."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Generator
from types import FrameType
from typing import Any

import anyio
import pytest
from anyio import to_thread
from starlette.types import Receive, Scope, Send

from hother.cancelable import Cancelable, CancelationReason
from hother.cancelable.integrations.fastapi import GracefulShutdown, RequestCancelationMiddleware

from .hand_made import NO_BODY, START, Channel, respond

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


class Handlers:
    """The handlers of a server."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.frames: list[FrameType | None] = []

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Do what a server does on a signal."""
        self.calls.append(number)
        self.frames.append(frame)

    def other(self, number: int, frame: FrameType | None) -> None:
        """Do what somebody else does."""


@pytest.fixture
def server() -> Generator[Handlers]:
    """A server that has installed its handlers; what was there before is back after the test."""
    handlers = Handlers()
    former = {number: signal.getsignal(number) for number in SIGNALS}
    for number in SIGNALS:
        signal.signal(number, handlers.handle)
    yield handlers
    for number, handler in former.items():
        signal.signal(number, handler)


def make(**options: Any) -> GracefulShutdown:
    """Return a shutdown that a middleware follows."""
    shutdown = GracefulShutdown(**options)
    RequestCancelationMiddleware(respond, shutdown=shutdown)
    return shutdown


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signal_begins_the_shutdown(number: signal.Signals, server: Handlers) -> None:
    """SIGTERM and SIGINT end a stream, with the reason SHUTDOWN, and the server hears of them as well."""
    shutdown, channel, operation = make(), Channel(NO_BODY), Cancelable()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        async with operation:
            await anyio.sleep_forever()

    middleware = RequestCancelationMiddleware(app, shutdown=shutdown)
    async with shutdown.lifespan(), anyio.create_task_group() as group:
        group.start_soon(middleware, channel.scope, channel.receive, channel.send)
        await anyio.wait_all_tasks_blocked()
        signal.raise_signal(number)
        assert shutdown.has_begun
    assert operation.context.cancel_reason is CancelationReason.SHUTDOWN
    assert channel.sent == [START]
    assert server.calls == [number]
    assert isinstance(server.frames[0], FrameType)


async def test_former_handler_runs_at_every_signal(server: Handlers) -> None:
    """Each signal reaches the server's handler, also those after the first, which begin nothing."""
    shutdown = make()
    async with shutdown.lifespan():
        for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM):
            signal.raise_signal(number)
    assert server.calls == [signal.SIGINT, signal.SIGINT, signal.SIGTERM]


async def test_handlers_are_restored(server: Handlers) -> None:
    """Within the lifespan there are handlers before the server's, afterwards the server's own."""
    shutdown = make()
    async with shutdown.lifespan():
        assert signal.getsignal(signal.SIGTERM) != server.handle
        assert signal.getsignal(signal.SIGINT) != server.handle
        assert signal.getsignal(signal.SIGUSR1) == server.handle
    assert {signal.getsignal(number) for number in SIGNALS} == {server.handle}
    signal.raise_signal(signal.SIGTERM)
    assert not shutdown.has_begun
    assert server.calls == [signal.SIGTERM]


async def test_handlers_are_restored_after_an_error(server: Handlers) -> None:
    """So they are where the app fails."""
    with pytest.raises(LookupError):
        async with make().lifespan():
            raise LookupError
    assert {signal.getsignal(number) for number in SIGNALS} == {server.handle}


async def test_handler_that_was_replaced_meanwhile(server: Handlers) -> None:
    """A handler that somebody has put in the place of ours stays, and the others are restored."""
    async with make().lifespan():
        signal.signal(signal.SIGTERM, server.other)
    assert signal.getsignal(signal.SIGTERM) == server.other
    assert signal.getsignal(signal.SIGINT) == server.handle


async def test_handler_that_was_put_before_ours(server: Handlers) -> None:
    """Who keeps our handler and calls it later does no harm: the server's is called through it."""
    shutdown = make()
    async with shutdown.lifespan():
        kept: Any = signal.getsignal(signal.SIGTERM)
    kept(signal.SIGTERM, None)
    assert server.calls == [signal.SIGTERM]


@pytest.mark.parametrize("handler", [signal.SIG_DFL, signal.SIG_IGN])
async def test_signals_without_a_handler(handler: signal.Handlers, server: Handlers) -> None:
    """A signal that ends the process as it always did, or that is ignored, is not touched."""
    signal.signal(signal.SIGTERM, handler)
    async with make().lifespan():
        assert signal.getsignal(signal.SIGTERM) is handler
        assert signal.getsignal(signal.SIGINT) != server.handle
    assert signal.getsignal(signal.SIGTERM) is handler


async def test_signals_of_the_users_choice(server: Handlers) -> None:
    """Other signals may begin it, given as numbers or as names."""
    shutdown = make(signals=[int(signal.SIGUSR1)])
    async with shutdown.lifespan():
        assert signal.getsignal(signal.SIGTERM) == server.handle
        signal.raise_signal(signal.SIGUSR1)
        assert shutdown.has_begun
    assert server.calls == [signal.SIGUSR1]


async def test_no_signals(server: Handlers) -> None:
    """Without signals none is listened to."""
    async with make(signals=()).lifespan():
        assert {signal.getsignal(number) for number in SIGNALS} == {server.handle}


@pytest.mark.parametrize("value", [0, 4_711, -1])
def test_unknown_signals(value: int) -> None:
    """A number that is no signal is an error at once."""
    with pytest.raises(ValueError, match=f"{value} is not a valid Signals"):
        GracefulShutdown(signals=[value])


async def test_two_shutdowns(server: Handlers) -> None:
    """Two apps in one process both hear of the signal, and leave the handlers as they were."""
    first, second = make(), make()
    async with first.lifespan(), second.lifespan():
        signal.raise_signal(signal.SIGTERM)
        assert first.has_begun
        assert second.has_begun
    assert server.calls == [signal.SIGTERM]
    assert {signal.getsignal(number) for number in SIGNALS} == {server.handle}


async def test_lifespan_in_another_thread(server: Handlers) -> None:
    """In a server that runs in a thread no handler is installed, and `begin_shutdown` works."""
    shutdown, seen = make(), list[Any]()

    async def live() -> None:
        async with shutdown.lifespan():
            seen.append(signal.getsignal(signal.SIGTERM))
            assert shutdown.begin_shutdown()
        assert threading.current_thread() is not threading.main_thread()

    await to_thread.run_sync(anyio.run, live)
    assert seen == [server.handle]
    assert signal.getsignal(signal.SIGTERM) == server.handle


async def test_signal_in_the_midst_of_beginning(server: Handlers) -> None:
    """A signal that interrupts `begin_shutdown` itself neither waits for it nor begins another."""
    shutdown, results = make(), list[bool]()

    def interrupt(token: object) -> None:
        signal.raise_signal(signal.SIGTERM)
        results.append(shutdown.begin_shutdown())

    shutdown.token.on_cancel(interrupt)
    async with shutdown.lifespan():
        results.append(shutdown.begin_shutdown())
    assert results == [False, True]
    assert server.calls == [signal.SIGTERM]
