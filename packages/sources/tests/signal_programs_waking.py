"""Programs that use asyncio's table of handlers or the wakeup descriptor themselves; see `test_signal_waking.py`."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Any

import anyio

from hother.cancelable import Cancelable

from .signal_running import is_ended, say, send

CHECKED = signal.SIGUSR1


def _operation(*numbers: int) -> Cancelable:
    return Cancelable.with_signal(*(numbers or (CHECKED,)), move_on=True)


def _wakeup() -> int:
    """Return the wakeup descriptor, which is set anew."""
    descriptor = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(descriptor, warn_on_full_buffer=False)
    return descriptor


def _pipe() -> int:
    """Return a descriptor that signals may write to."""
    descriptor = os.pipe()[1]
    os.set_blocking(descriptor, False)
    return descriptor


async def wakeup_set_before() -> None:
    """Have a wakeup descriptor set before operations, which overlap."""
    mine = _pipe()
    signal.set_wakeup_fd(mine)
    async with _operation(CHECKED, signal.SIGUSR2), _operation(signal.SIGTERM):
        await is_ended(_operation(), CHECKED)
        assert _wakeup() != mine
    assert _wakeup() == mine
    await is_ended(_operation(), CHECKED)
    assert _wakeup() == mine
    signal.set_wakeup_fd(-1)


async def wakeup_set_inside() -> None:
    """Set the wakeup descriptor, or none, while operations wait."""
    mine = _pipe()
    async with _operation():
        signal.set_wakeup_fd(mine)
    assert _wakeup() == mine
    async with _operation():
        signal.set_wakeup_fd(-1)
        async with _operation(signal.SIGTERM):
            assert _wakeup() != -1
    assert _wakeup() == -1
    async with _operation():
        signal.set_wakeup_fd(mine)
        async with _operation(signal.SIGTERM):
            assert _wakeup() != mine
    assert _wakeup() == mine
    signal.set_wakeup_fd(-1)


async def wakeup_closed() -> None:
    """Close the wakeup descriptor that was set before an operation."""
    mine = _pipe()
    signal.set_wakeup_fd(mine)
    async with _operation():
        os.close(mine)
    assert _wakeup() == -1


async def handler_added_inside() -> None:
    """Add handlers of the loop that outlive the operation: they need its descriptor, and take it away with them."""
    loop = asyncio.get_running_loop()
    heard = asyncio.Event()
    async with _operation():
        loop.add_signal_handler(signal.SIGUSR2, heard.set)
    assert _wakeup() != -1
    send(signal.SIGUSR2)
    await heard.wait()
    assert loop.remove_signal_handler(signal.SIGUSR2)
    assert _wakeup() == -1


async def handler_removed_inside() -> None:
    """Remove the last handler of the loop while an operation waits: signals wake the loop until that is left."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR2, lambda: None)
    descriptor = _wakeup()
    async with _operation() as operation:
        assert loop.remove_signal_handler(signal.SIGUSR2)
        assert _wakeup() == descriptor
        send(CHECKED)
        await anyio.sleep_forever()
    assert operation.is_cancelled
    assert _wakeup() == -1


async def handler_removed_in_vain() -> None:
    """Remove a handler of the loop that was never added, for the signal of the operation: nothing happens."""
    loop = asyncio.get_running_loop()
    calls: list[int] = []
    for handler in (signal.SIG_DFL, lambda number, _: calls.append(number)):
        signal.signal(CHECKED, handler)
        async with _operation() as operation:
            installed = signal.getsignal(CHECKED)
            assert not loop.remove_signal_handler(CHECKED)
            assert signal.getsignal(CHECKED) == installed
            send(CHECKED)
            await anyio.sleep_forever()
        assert operation.is_cancelled
        assert signal.getsignal(CHECKED) is handler
    assert calls == [CHECKED]


def loops_nested(make_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """Have operations on two loops, the first of which is left and closed first; its descriptor is never put back."""
    mine = _pipe()
    signal.set_wakeup_fd(mine)
    loops = [make_loop(), make_loop()]
    leave = [asyncio.Event(), asyncio.Event()]

    async def hold(event: asyncio.Event, *numbers: int) -> None:
        async with _operation(*numbers):
            await event.wait()

    tasks: list[asyncio.Task[Any]] = []
    for loop, event, number in zip(loops, leave, (CHECKED, signal.SIGUSR2), strict=True):
        tasks.append(loop.create_task(hold(event, number)))
        loop.run_until_complete(asyncio.sleep(0.01))
    for loop, event, task in zip(loops, leave, tasks, strict=True):
        event.set()
        loop.run_until_complete(task)
        loop.close()
    assert _wakeup() == mine
    signal.set_wakeup_fd(-1)
    say("closed")
