"""Programs with several threads, event loops and processes; see `test_signal_loops.py`."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import anyio.lowlevel

from hother.cancelable import Cancelable
from hother.cancelable.sources import SignalSource

from .signal_running import Run, is_ended, say, send


def in_another_thread(run: Run) -> None:
    """Wait for a signal on an event loop in another thread than the main one."""

    async def refused(wait: Callable[[], Awaitable[object]]) -> None:
        try:
            await wait()
        except RuntimeError as error:
            say(error)
        else:
            raise AssertionError("it waited")

    async def enter() -> None:
        async with Cancelable.with_signal(signal.SIGUSR1, signal.SIGUSR2):
            raise AssertionError("it was entered")

    async def main() -> None:
        await refused(enter)
        await refused(SignalSource(signal.SIGINT).wait)

    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    thread = threading.Thread(target=run, args=(main,))
    thread.start()
    thread.join()
    assert {number: signal.getsignal(number) for number in handlers} == handlers


def loops_in_turn(run: Run) -> None:
    """Wait for signals on one event loop after the other."""
    for _ in range(3):
        run(lambda: is_ended(Cancelable.with_signal(signal.SIGUSR1, signal.SIGINT, move_on=True), signal.SIGUSR1))
        run(lambda: is_ended(Cancelable.with_signal(signal.SIGUSR1, signal.SIGINT, move_on=True), signal.SIGINT))
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


async def _wait_and_say(name: str) -> None:
    async with Cancelable.with_signal(signal.SIGUSR1, move_on=True) as operation:
        await anyio.sleep_forever()
    assert operation.is_cancelled
    say(name)


async def _steps(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def pieces(make_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """Run asyncio loops piece by piece; a signal between two pieces is heard at the next one."""
    first, second = make_loop(), make_loop()
    tasks = [first.create_task(_wait_and_say("first")), second.create_task(_wait_and_say("second"))]
    first.run_until_complete(_steps(5))
    second.run_until_complete(_steps(5))
    send(signal.SIGUSR1)
    for loop, task in zip((first, second), tasks, strict=True):
        loop.run_until_complete(task)
        loop.run_until_complete(is_ended(Cancelable.with_signal(signal.SIGUSR1, move_on=True), signal.SIGUSR1))
        loop.close()
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL


def abandoned(make_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """Close a loop while an operation waits on it; the next loop and the default action are not hurt by it."""
    loop = make_loop()
    loop.set_exception_handler(lambda *_: None)
    task = loop.create_task(_wait_and_say("first"))
    loop.run_until_complete(_steps(5))
    loop.close()
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    del task
    gc.collect()
    loop = make_loop()
    loop.run_until_complete(is_ended(Cancelable.with_signal(signal.SIGUSR1, move_on=True), signal.SIGUSR1))
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL
    task = loop.create_task(_wait_and_say("second"))
    loop.run_until_complete(_steps(5))
    loop.close()
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    say("ready")
    send(signal.SIGUSR1)


def guest(run: Run) -> None:
    """Run trio as a guest of asyncio, and wait for the same signal in both."""
    import trio

    async def main() -> None:
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        trio.lowlevel.start_guest_run(
            _wait_and_say,
            "guest",
            run_sync_soon_threadsafe=asyncio.get_running_loop().call_soon_threadsafe,
            done_callback=done.set_result,
            host_uses_signal_set_wakeup_fd=True,
        )
        await _steps(20)
        await anyio.sleep(0.05)
        await is_ended(Cancelable.with_signal(signal.SIGUSR1, move_on=True), signal.SIGUSR1)
        (await done).unwrap()

    run(main)
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL


async def fork() -> None:
    """Fork a child in an operation: its signals are its own affair."""
    async with Cancelable.with_signal(signal.SIGTERM, move_on=True) as operation:
        child = _fork_and_pause()
        os.kill(child, signal.SIGTERM)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM
        await anyio.sleep(0.01)
        assert not operation.cancel_requested
        send(signal.SIGTERM)
        await anyio.sleep_forever()
    assert operation.is_cancelled


def _fork_and_pause() -> int:
    ready, say_ready = os.pipe()
    child = os.fork()
    if not child:
        os.write(say_ready, b"!")
        signal.pause()
        os._exit(1)
    os.read(ready, 1)
    os.close(ready)
    os.close(say_ready)
    return child


async def fork_and_run() -> None:
    """Fork a child in an operation; it has operations of its own for the same signal, on a loop of its own."""
    async with Cancelable.with_signal(signal.SIGTERM, move_on=True) as operation:
        child = os.fork()
        if not child:
            os._exit(_run_in_child())
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM
        await anyio.lowlevel.checkpoint()
        assert not operation.cancel_requested


def _run_in_child() -> int:
    """Wait for a signal, be ended by it, and be killed by the next one."""

    async def main() -> None:
        await is_ended(Cancelable.with_signal(signal.SIGTERM, move_on=True), signal.SIGTERM)

    try:
        loop = asyncio.SelectorEventLoop()
        loop.run_until_complete(main())
        loop.close()
    except BaseException:
        return 1
    say("the child's operation has ended")
    send(signal.SIGTERM)
    return 2
