"""Programs with signal handlers of their own; see `test_signal_handlers.py`."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from typing import Any

import anyio

from hother.cancelable import Cancelable

from .signal_running import is_ended, say, send

CHECKED = signal.SIGUSR1


def _operation() -> Cancelable:
    return Cancelable.with_signal(CHECKED, move_on=True)


async def signal_handler() -> None:
    """Have a handler of `signal.signal`."""
    calls: list[tuple[int, bool]] = []

    def handler(number: int, frame: object) -> None:
        calls.append((number, frame is not None))

    signal.signal(CHECKED, handler)
    for _ in range(2):
        await is_ended(_operation(), CHECKED)
        assert signal.getsignal(CHECKED) is handler
        send(CHECKED)
    async with _operation():
        pass
    assert signal.getsignal(CHECKED) is handler
    send(CHECKED)
    assert calls == [(CHECKED, True)] * 5
    async with _operation() as operation, anyio.create_task_group():
        send(CHECKED, CHECKED, CHECKED)
        await anyio.sleep_forever()
    assert operation.is_cancelled
    assert len(calls) == 8


async def loop_handler() -> None:
    """Have handlers of `loop.add_signal_handler`, for the signal and for another one."""
    loop = asyncio.get_running_loop()
    calls: asyncio.Queue[int] = asyncio.Queue()
    loop.add_signal_handler(CHECKED, calls.put_nowait, 1)
    loop.add_signal_handler(signal.SIGUSR2, calls.put_nowait, 2)
    installed = signal.getsignal(CHECKED)
    for _ in range(2):
        await is_ended(_operation(), CHECKED)
        assert signal.getsignal(CHECKED) == installed
        assert await calls.get() == 1
        send(CHECKED)
        assert await calls.get() == 1
        send(signal.SIGUSR2)
        assert await calls.get() == 2
    async with _operation() as operation:
        with anyio.CancelScope(shield=True):
            for _ in range(3):
                send(CHECKED)
                assert await calls.get() == 1
        await anyio.sleep_forever()
    assert operation.is_cancelled
    assert calls.empty()
    assert loop.remove_signal_handler(CHECKED)
    assert loop.remove_signal_handler(signal.SIGUSR2)


async def loop_handler_for_another() -> None:
    """Have a handler of `loop.add_signal_handler` come and go while an operation waits for another signal."""
    loop = asyncio.get_running_loop()
    calls: asyncio.Queue[int] = asyncio.Queue()
    async with _operation():
        loop.add_signal_handler(signal.SIGUSR2, calls.put_nowait, 2)
    send(signal.SIGUSR2)
    assert await calls.get() == 2
    async with _operation() as operation:
        assert loop.remove_signal_handler(signal.SIGUSR2)
        send(CHECKED)
        await anyio.sleep_forever()
    assert operation.is_cancelled
    assert calls.empty()
    assert not loop.remove_signal_handler(CHECKED)
    assert signal.set_wakeup_fd(-1) == -1 or type(loop).__module__ == "uvloop"


async def receiver() -> None:
    """Have a signal receiver of anyio."""
    with anyio.open_signal_receiver(CHECKED) as signals:
        for _ in range(2):
            await is_ended(_operation(), CHECKED)
            with anyio.fail_after(10):
                assert await anext(aiter(signals)) == CHECKED
                send(CHECKED)
                assert await anext(aiter(signals)) == CHECKED
        with anyio.move_on_after(0):
            raise AssertionError(await anext(aiter(signals)))


async def ignored() -> None:
    """Ignore the signal."""
    signal.signal(CHECKED, signal.SIG_IGN)
    await is_ended(_operation(), CHECKED)
    assert signal.getsignal(CHECKED) is signal.SIG_IGN
    async with _operation() as operation:
        send(CHECKED)
        with anyio.CancelScope(shield=True):
            await anyio.wait_all_tasks_blocked()
            assert operation.cancel_requested
            send(CHECKED, CHECKED)
            await anyio.wait_all_tasks_blocked()
        await anyio.sleep_forever()
    send(CHECKED)
    say("still here")


async def default() -> None:
    """Have no handler: once the operations have ended, a signal kills the program."""
    await is_ended(_operation(), CHECKED)
    try:
        async with _operation():
            raise KeyError
    except KeyError:
        pass
    assert signal.getsignal(CHECKED) is signal.SIG_DFL
    say("ready")
    await anyio.sleep_forever()


def ctrl_c(run: Callable[[Any], None]) -> None:
    """Leave Ctrl-C to the event loop: it raises `KeyboardInterrupt` out of it once the operations have ended."""

    async def main() -> None:
        before = signal.getsignal(signal.SIGINT)
        await is_ended(Cancelable.with_signal(signal.SIGINT, move_on=True), signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is before
        say("ready")
        await anyio.sleep_forever()

    try:
        run(main)
    except KeyboardInterrupt:
        say("interrupted")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
