"""Programs that block their event loop; see `test_signal_blocked.py`."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from typing import Any

import anyio

from hother.cancelable import Cancelable, CancelationToken
from hother.cancelable.sources import SignalSource, TokenSource

from .signal_running import is_ended, say, send

LONG = 1.0
"""After so many seconds a signal is the second one."""


async def block() -> None:
    """Block the event loop while signals come: a burst, and one more so long after."""
    async with Cancelable.with_signal(signal.SIGTERM):
        send(*[signal.SIGTERM] * 10)
        time.sleep(LONG)
        say("blocked")
        send(signal.SIGTERM)
        say("survived")


def block_and_press_ctrl_c(run: Callable[[Any], None]) -> None:
    """Block the event loop while Ctrl-C is pressed again and again."""

    async def main() -> None:
        async with Cancelable.with_signal(signal.SIGINT):
            while True:
                send(signal.SIGINT)
                time.sleep(LONG)

    try:
        run(main)
    except KeyboardInterrupt:
        say("interrupted")


async def pause() -> None:
    """Get signals long after one another, each of them heard, while one operation keeps waiting for them."""
    token = CancelationToken()
    async with Cancelable.with_source(SignalSource(signal.SIGUSR1) & TokenSource(token)) as kept:
        for _ in range(2):
            await is_ended(Cancelable.with_signal(signal.SIGUSR1, move_on=True), signal.SIGUSR1)
            time.sleep(LONG)
        assert not kept.cancel_requested


async def _wait() -> None:
    async with Cancelable.with_signal(signal.SIGUSR1):
        await anyio.sleep_forever()


def close(make_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """Get a signal of which a loop has not heard before it closes, and one long after that on another loop."""
    loop = make_loop()
    loop.set_exception_handler(lambda *_: None)
    task = loop.create_task(_wait())
    loop.run_until_complete(asyncio.sleep(0.01))
    send(signal.SIGUSR1)
    loop.close()
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    time.sleep(LONG)
    loop = make_loop()
    loop.run_until_complete(is_ended(Cancelable.with_signal(signal.SIGUSR1, move_on=True), signal.SIGUSR1))
    loop.close()
