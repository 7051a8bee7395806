"""Programs that hang while they clean up; see `test_signal_second.py`."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import anyio

from hother.cancelable import Cancelable, CancelationToken
from hother.cancelable.sources import SignalSource, TimeoutSource, TokenSource

from .signal_running import say, send


async def _hang(*numbers: int) -> None:
    """Be ended by a signal and clean up for ever."""
    async with Cancelable.with_signal(*numbers) as operation:
        try:
            say("waiting")
            await anyio.sleep_forever()
        finally:
            assert operation.context.cancel_message is not None
            say("cleaning up")
            with anyio.CancelScope(shield=True):
                await anyio.sleep_forever()


async def hang_on_sigterm() -> None:
    """Hang while SIGTERM is honoured."""
    await _hang(signal.SIGTERM)


def hang_on_ctrl_c(run: Callable[[Any], None]) -> None:
    """Hang while a Ctrl-C is honoured."""
    try:
        run(lambda: _hang(signal.SIGINT))
    except KeyboardInterrupt:
        say("interrupted")


async def hang_on_ignored() -> None:
    """Hang while a signal is honoured that was ignored before."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    async with anyio.create_task_group() as group:
        group.start_soon(_hang, signal.SIGHUP)
        async with Cancelable.with_signal(signal.SIGUSR1, move_on=True):
            await anyio.sleep_forever()
        say("nothing happened")
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        send(signal.SIGTERM)


async def survive() -> None:
    """Clean up while signals come whose default is to do nothing: they do nothing."""
    for number in (signal.SIGURG, signal.SIGWINCH, signal.SIGCONT):
        async with Cancelable.with_signal(number, move_on=True) as operation:
            installed = signal.getsignal(number)
            send(number)
            try:
                await anyio.sleep_forever()
            finally:
                send(number, number)
                assert signal.getsignal(number) == installed
        assert operation.is_cancelled
        assert signal.getsignal(number) is signal.SIG_DFL


async def clean_up_in_turns() -> None:
    """Get a signal, end, and get it anew: each is a first one, also for operations that come while nobody cleans up."""
    for _ in range(3):
        async with Cancelable.with_signal(signal.SIGTERM, move_on=True) as operation:
            send(signal.SIGTERM)
            await anyio.sleep_forever()
        assert operation.is_cancelled
    async with anyio.create_task_group() as group:
        cleaned, left = anyio.Event(), anyio.Event()

        async def clean_up() -> None:
            async with Cancelable.with_signal(signal.SIGTERM, move_on=True):
                try:
                    await anyio.sleep_forever()
                finally:
                    with anyio.CancelScope(shield=True):
                        await cleaned.wait()
            left.set()

        group.start_soon(clean_up)
        await anyio.wait_all_tasks_blocked()
        send(signal.SIGTERM)
        await anyio.wait_all_tasks_blocked()
        async with Cancelable.with_signal(signal.SIGTERM, move_on=True) as operation:
            cleaned.set()
            await left.wait()
            assert not operation.cancel_requested
            send(signal.SIGTERM)
            await anyio.sleep_forever()
        assert operation.is_cancelled


async def told_slowly() -> None:
    """Get signals while the operations are being told: they count as the first one."""
    tokens = [CancelationToken() for _ in range(3)]
    for token in tokens:
        token.on_cancel(lambda _: send(signal.SIGTERM))
    async with anyio.create_task_group() as group:
        operations = [Cancelable.with_signal(signal.SIGTERM, move_on=True) for _ in tokens]

        async def wait(operation: Cancelable) -> None:
            async with operation:
                await anyio.sleep_forever()

        for operation, token in zip(operations, tokens, strict=True):
            token.link(operation.token)
            group.start_soon(wait, operation)
        await anyio.wait_all_tasks_blocked()
        send(signal.SIGTERM)
    assert all(operation.is_cancelled for operation in operations)
    assert all(token.is_cancelled for token in tokens)


async def told_nothing() -> None:
    """Get signals that are only a part of what an operation waits for: none is the second one."""
    token = CancelationToken()
    both = SignalSource(signal.SIGTERM) & TokenSource(token)
    async with Cancelable.with_source(both, move_on=True) as operation:
        for _ in range(3):
            send(signal.SIGTERM)
            await anyio.wait_all_tasks_blocked()
            assert not operation.cancel_requested
        await token.cancel("now")
        await anyio.sleep_forever()
    assert operation.is_cancelled


async def told_by_the_last_part() -> None:
    """Get the signal as the last part of what an operation waits for: the next one is the second one."""
    token = CancelationToken()
    both = SignalSource(signal.SIGTERM) & TokenSource(token)
    async with Cancelable.with_source(both | TimeoutSource(60)):
        await token.cancel("first")
        send(signal.SIGTERM)
        try:
            await anyio.sleep_forever()
        finally:
            say("cleaning up")
            send(signal.SIGTERM)
            say("survived")
