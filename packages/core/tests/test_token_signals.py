"""A signal handler that cancels while the main thread is interrupted anywhere inside the core, and in its selector."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from hother.cancelable import Cancelable, CancelationReason, CancelationToken, ManualCancelation, SignalCancelation

from .interruptions import Interruption

pytestmark = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs POSIX signals")


@contextmanager
def _handling(number: int, handler: Callable[[], object]) -> Generator[None]:
    """Install a signal handler for a while."""
    before = signal.signal(number, lambda *_: handler() and None)
    try:
        yield
    finally:
        signal.signal(number, before)


@contextmanager
def _alarm_every(seconds: float) -> Generator[None]:
    """Have SIGALRM sent again and again; one that comes right before a thread blocks is not seen by Python."""
    signal.setitimer(signal.ITIMER_REAL, seconds, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _raise_signal() -> None:
    signal.raise_signal(signal.SIGUSR1)


def _at_every_step(scenario: Callable[[Interruption], None]) -> None:
    """Run a scenario again and again, interrupted one step later each time, until it has no more steps."""
    at = 0
    while True:
        interruption = Interruption(at, _raise_signal)
        scenario(interruption)
        if not interruption.came:
            break
        at += 1
    assert at > 10


async def _at_every_async_step(scenario: Callable[[Interruption], Awaitable[None]]) -> None:
    """Do the same with an asynchronous scenario."""
    at = 0
    while True:
        interruption = Interruption(at, _raise_signal)
        with anyio.fail_after(10):
            await scenario(interruption)
        if not interruption.came:
            break
        at += 1
    assert at > 50


async def _cancel_when_blocked(token: CancelationToken) -> None:
    """Cancel a token that nobody has cancelled, once everybody waits."""
    await anyio.wait_all_tasks_blocked()
    token.cancel_sync("late")


def test_cancelling_while_a_handler_cancels() -> None:
    """One of the two wins, its reason is kept, and every callback, link and waiting thread is told once."""

    def scenario(interruption: Interruption) -> None:
        token, calls, won = CancelationToken(), list[CancelationToken](), list[str]()
        below = CancelationToken.any_of(token)
        for _ in range(2):
            token.on_cancel(calls.append)
        below.on_cancel(calls.append)
        waiting = threading.Thread(target=token.wait_sync, args=(20,))
        waiting.start()
        while len(token._listeners) < 4:
            time.sleep(0)

        def handler() -> None:
            won.extend(["handler"] * token.cancel_sync("handler"))

        with _handling(signal.SIGUSR1, handler), interruption:
            won.extend(["main"] * token.cancel_sync("main"))
        waiting.join(20)
        assert not waiting.is_alive()
        assert won == [token.message]
        assert below.cause is token.cause
        assert sorted(map(id, calls)) == sorted([id(token), id(token), id(below)])
        assert not token._listeners

    _at_every_step(scenario)


def test_registering_a_callback_while_a_handler_cancels() -> None:
    """The callback has run once when `on_cancel` returns, at whichever step the request came."""

    def scenario(interruption: Interruption) -> None:
        token, calls = CancelationToken(), list[CancelationToken]()
        with _handling(signal.SIGUSR1, token.cancel_sync), interruption:
            registration = token.on_cancel(calls.append)
        assert calls == [token] * interruption.came
        assert registration.unregister() is not interruption.came

    _at_every_step(scenario)


def test_unregistering_while_a_handler_cancels() -> None:
    """`unregister` says that it stopped the call exactly where the callback never runs."""

    def scenario(interruption: Interruption) -> None:
        token, calls = CancelationToken(), list[CancelationToken]()
        registration = token.on_cancel(calls.append)
        with _handling(signal.SIGUSR1, token.cancel_sync), interruption:
            stopped = registration.unregister()
        token.cancel_sync()
        assert calls == [token] * (not stopped)

    _at_every_step(scenario)


def test_a_callback_that_is_taken_off_by_the_handler() -> None:
    """A handler that takes a callback off while the main thread cancels is told the truth."""

    def scenario(interruption: Interruption) -> None:
        token, calls, stopped = CancelationToken(), list[CancelationToken](), list[bool]()
        registration = token.on_cancel(calls.append)
        with _handling(signal.SIGUSR1, lambda: stopped.append(registration.unregister())), interruption:
            token.cancel_sync()
        assert calls == [token] * (stopped != [True])

    _at_every_step(scenario)


@pytest.mark.parametrize("which", ["upper", "middle"])
def test_linking_while_a_handler_cancels(which: str) -> None:
    """Whatever is cancelled while it is being linked cancels those that are linked to it."""

    def scenario(interruption: Interruption) -> None:
        tokens = {"upper": CancelationToken(), "middle": CancelationToken(), "lower": CancelationToken()}
        calls: list[CancelationToken] = []
        tokens["lower"].on_cancel(calls.append)
        with _handling(signal.SIGUSR1, lambda: tokens[which].cancel_sync("handler")), interruption:
            tokens["lower"].link(tokens["middle"])
            tokens["middle"].link(tokens["upper"])
            CancelationToken.any_of(tokens["lower"], tokens["upper"])
        assert tokens["lower"].is_cancelled is interruption.came
        tokens["upper"].cancel_sync("later")
        assert calls == [tokens["lower"]]
        assert tokens["lower"].message == ("handler" if interruption.came else "later")

    _at_every_step(scenario)


def test_reading_a_token_while_a_handler_cancels() -> None:
    """What is read is all of the request or nothing of it, and the id stays one."""

    def scenario(interruption: Interruption) -> None:
        token, ids = CancelationToken(), list[str]()

        def handler() -> None:
            ids.append(token.id)
            token.cancel_sync(CancelationReason.SIGNAL, "handler")

        with _handling(signal.SIGUSR1, handler), interruption:
            assert token.reason in (None, CancelationReason.SIGNAL)
            assert token.message in (None, "handler")
            ids.append(token.id)
            try:
                token.check()
            except SignalCancelation as error:
                assert error.message == "handler"
            assert token.id in repr(token)
        assert token.is_cancelled is interruption.came
        assert len({*ids, token.id}) == 1

    _at_every_step(scenario)


def test_waiting_in_a_thread_while_a_handler_cancels() -> None:
    """`wait_sync` ends at once with True, wherever it was interrupted."""

    def scenario(interruption: Interruption) -> None:
        token, start = CancelationToken(), time.monotonic()

        def late() -> None:
            interruption.at = sys.maxsize  # it sat in the wait, so there are no further steps on the way there
            token.cancel_sync()

        handling = _handling(signal.SIGUSR1, token.cancel_sync), _handling(signal.SIGALRM, late)
        with handling[0], handling[1], _alarm_every(0.2), interruption:
            assert token.wait_sync(20)
        assert time.monotonic() - start < 10
        assert not token._listeners

    _at_every_step(scenario)


def test_a_handler_ends_the_wait_of_the_thread_that_it_interrupts() -> None:
    """A main thread blocked in `wait_sync` goes on when the handler that interrupts it cancels the token."""
    token = CancelationToken()

    def send() -> None:
        while not token._listeners:
            time.sleep(0)
        while not token.wait_sync(0.01):  # Python does not see a signal that comes right before a thread blocks
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

    with _handling(signal.SIGUSR1, token.cancel_sync):
        thread = threading.Thread(target=send)
        thread.start()
        assert token.wait_sync(20)
        thread.join()
    assert not token._listeners


async def test_waiting_in_a_task_while_a_handler_cancels() -> None:
    """`wait_for_cancel` ends wherever it was interrupted, with nothing else that could wake the loop."""

    async def scenario(interruption: Interruption) -> None:
        token = CancelationToken()
        async with anyio.create_task_group() as group:
            group.start_soon(_cancel_when_blocked, token)
            with _handling(signal.SIGUSR1, token.cancel_sync), interruption:
                await token.wait_for_cancel()
            group.cancel_scope.cancel()
        assert not token._listeners

    await _at_every_async_step(scenario)


async def test_entering_an_operation_while_a_handler_cancels() -> None:
    """An operation whose token, or which itself, is cancelled at any step of its entry is interrupted."""

    async def scenario(interruption: Interruption) -> None:
        shared = CancelationToken()
        operation = Cancelable.with_token(shared, timeout=60, move_on=True)
        token = shared if interruption.at % 2 else operation.token
        async with anyio.create_task_group() as group:
            group.start_soon(_cancel_when_blocked, token)
            with _handling(signal.SIGUSR1, lambda: token.cancel_sync("handler")):
                with interruption:
                    await operation.__aenter__()
                try:
                    await anyio.sleep_forever()
                except BaseException:
                    assert await operation.__aexit__(*sys.exc_info())
            group.cancel_scope.cancel()
        assert operation.is_cancelled
        assert operation.context.cancel_message == ("handler" if interruption.came else "late")
        assert not shared._listeners

    await _at_every_async_step(scenario)


@pytest.mark.parametrize("interrupted", [False, True])
async def test_leaving_an_operation_while_a_handler_cancels(interrupted: bool) -> None:
    """A request that comes while the block is left changes nothing of how it ended, and leaves nothing."""

    async def scenario(interruption: Interruption) -> None:
        token = CancelationToken()
        operation = await Cancelable.with_token(token, timeout=60, move_on=True).__aenter__()
        leaving: tuple[Any, Any, Any] = (None, None, None)
        if interrupted:
            operation.cancel_sync("interrupted")
            try:
                await anyio.sleep_forever()
            except BaseException:
                leaving = sys.exc_info()
        with _handling(signal.SIGUSR1, token.cancel_sync), interruption:
            assert await operation.__aexit__(*leaving) is interrupted
        assert (operation.is_completed, operation.is_cancelled) == (not interrupted, interrupted)
        assert not interrupted or operation.context.cancel_message == "interrupted"
        assert not token._listeners

    await _at_every_async_step(scenario)


async def test_a_signal_ends_an_operation_whose_loop_sleeps() -> None:
    """A plain `signal.signal` handler that cancels ends an operation at once though its loop is in the selector."""
    with pytest.raises(SignalCancelation, match="SIGALRM") as caught:
        async with Cancelable() as operation:
            sent: list[float] = []

            def handler() -> None:
                sent.append(time.monotonic())
                operation.cancel_sync(CancelationReason.SIGNAL, "SIGALRM")

            with _handling(signal.SIGALRM, handler), _alarm_every(0.02), anyio.fail_after(20):
                await anyio.sleep_forever()
    assert time.monotonic() - sent[0] < 1
    assert caught.value.context is operation.context


async def test_a_signal_ends_an_operation_whose_loop_works() -> None:
    """The handler may come in the midst of a body that never sleeps; its next checkpoint is the last."""
    with pytest.raises(ManualCancelation, match="busy"):
        async with Cancelable() as operation:
            with _handling(signal.SIGUSR1, lambda: operation.cancel_sync("busy")), anyio.fail_after(20):
                os.kill(os.getpid(), signal.SIGUSR1)
                while True:
                    await anyio.lowlevel.checkpoint()
