"""Programs that wait for signals in every way; see `test_signal.py`."""

from __future__ import annotations

import signal
from collections.abc import AsyncGenerator

import anyio

from hother.cancelable import Cancelable, CancelationReason, cancelable_with_signal
from hother.cancelable.sources import AllOfSource, AnyOfSource, SignalSource, TimeoutSource

from .signal_running import ended_by, say, say_waiting, send


async def waits() -> None:
    """Wait for a signal from outside."""
    async with Cancelable.with_signal(signal.SIGTERM, move_on=True) as operation:
        say("waiting")
        await anyio.sleep_forever()
    assert operation.context.cancel_reason is CancelationReason.SIGNAL
    assert operation.context.cancel_message == "received SIGTERM"
    assert operation.context.cancel_origin == "SIGTERM"
    say("ended")


async def wait_in_tasks() -> None:
    """Wait for the same signal in several tasks, in one task twice, and in a group inside an operation."""
    operations: list[Cancelable] = []

    async def wait() -> None:
        async with Cancelable.with_signal(signal.SIGTERM, signal.SIGUSR1, move_on=True) as operation:
            operations.append(operation)
            await anyio.sleep_forever()

    async def wait_twice() -> None:
        async with Cancelable.with_signal(signal.SIGUSR1, move_on=True) as outer:
            operations.append(outer)
            await wait()
            await anyio.sleep_forever()

    async def wait_in_group() -> None:
        async with Cancelable.with_signal(signal.SIGUSR1, move_on=True) as outer, anyio.create_task_group() as group:
            operations.append(outer)
            group.start_soon(anyio.sleep_forever)

    async with anyio.create_task_group() as group:
        for function in (wait, wait, wait_twice, wait_in_group):
            group.start_soon(function)
        await anyio.wait_all_tasks_blocked()
        assert len(operations) == 5
        send(signal.SIGUSR1)
    for operation in operations:
        assert operation.is_cancelled
        assert operation.context.cancel_message == "received SIGUSR1"
    assert {operation.context.cancel_origin for operation in operations} >= {"SIGUSR1", "SIGTERM, SIGUSR1"}
    assert signal.getsignal(signal.SIGUSR1) is signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@cancelable_with_signal(signal.SIGUSR2, signal.SIGUSR2)
async def decorated() -> None:
    """Get a signal in a decorated function."""
    send(signal.SIGUSR2)
    await anyio.sleep_forever()


@cancelable_with_signal(signal.SIGUSR2)
async def numbers() -> AsyncGenerator[int, None]:
    """Get a signal between two items of a decorated generator."""
    yield 1
    send(signal.SIGUSR2)
    await anyio.sleep_forever()


async def wait_everywhere() -> None:
    """Wait for signals in decorated functions, composites and by hand."""
    for _ in range(2):
        with ended_by("SIGUSR2"):
            await decorated()
    with ended_by("SIGUSR2"):
        async for number in numbers():
            assert number == 1
    either = AnyOfSource(SignalSource(signal.SIGUSR1), SignalSource(signal.SIGUSR2), TimeoutSource(60))
    async with Cancelable.with_source(either, move_on=True) as operation:
        send(signal.SIGUSR1)
        await anyio.sleep_forever()
    assert operation.context.cancel_origin == "SIGUSR1"
    both = AllOfSource(SignalSource(signal.SIGUSR1), SignalSource(signal.SIGUSR2))
    async with Cancelable.with_source(both, move_on=True) as operation:
        send(signal.SIGUSR2)
        await anyio.wait_all_tasks_blocked()
        assert not operation.cancel_requested
        send(signal.SIGUSR1)
        await anyio.sleep_forever()
    assert operation.context.cancel_message == "received SIGUSR1"
    assert signal.getsignal(signal.SIGUSR1) is signal.getsignal(signal.SIGUSR2) is signal.SIG_DFL


async def wait_by_hand() -> None:
    """Await the source itself, again and again, and inside an operation that another signal ends."""
    source = SignalSource(signal.SIGUSR1)
    for _ in range(3):
        async with anyio.create_task_group() as group:
            group.start_soon(say_waiting)
            cause = await source.wait()
        assert (cause.reason, cause.message, cause.origin) == (
            CancelationReason.SIGNAL,
            "received SIGUSR1",
            "SIGUSR1",
        )
    with ended_by("SIGUSR2"):
        async with Cancelable.with_signal(signal.SIGUSR2), anyio.create_task_group() as group:
            group.start_soon(say_waiting)
            await source.wait()
    assert signal.getsignal(signal.SIGUSR1) is signal.getsignal(signal.SIGUSR2) is signal.SIG_DFL


async def wait_for_many() -> None:
    """Wait for every signal that can be named, one after the other."""
    some = {signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGALRM, signal.SIGCONT, signal.SIGTSTP}
    for number in (*sorted(some), *([signal.SIGRTMIN, signal.SIGRTMIN + 1] if hasattr(signal, "SIGRTMIN") else [])):
        async with Cancelable.with_signal(*some, number, move_on=True) as operation:
            send(number)
            await anyio.sleep_forever()
        assert operation.context.cancel_message is not None
        say(operation.context.cancel_message)
    for number in some - {signal.SIGINT}:
        assert signal.getsignal(number) is signal.SIG_DFL
