"""Functions that get cancellation wrong, each in one way, and one that gets it right."""

from __future__ import annotations

import asyncio
import functools
import signal
import threading
from collections.abc import AsyncGenerator
from contextvars import ContextVar

import anyio
from anyio import to_thread
from anyio.lowlevel import checkpoint

from hother.cancelable import CancelationToken

USER: ContextVar[str] = ContextVar("USER")
TOKEN = CancelationToken()
RELEASE = threading.Event()
BACKGROUND: list[object] = []


async def right() -> str:
    """Start children, wait, be shielded and tidy up."""
    async with anyio.create_task_group() as group:
        group.start_soon(checkpoint)
        group.start_soon(checkpoint)
    with anyio.move_on_after(0):
        await anyio.sleep_forever()
    reset = USER.set("me")
    registration = TOKEN.on_cancel(print)
    try:
        await checkpoint()
    finally:
        registration.unregister()
        USER.reset(reset)
        with anyio.CancelScope(shield=True):
            await checkpoint()
    return "done"


async def swallows() -> None:
    """Take the cancellation for any error."""
    try:
        await checkpoint()
    except BaseException:
        pass


async def raises() -> None:
    """Turn the cancellation into an error."""
    try:
        await checkpoint()
    except BaseException:
        raise ConnectionError("lost") from None


async def leaves_a_task() -> None:
    """Start a task that only the end of the function stops."""
    import sys

    loop = sys.modules.get("trio")
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        assert loop is not None
        scope = loop.CancelScope()

        async def poll() -> None:
            with scope:
                await loop.sleep_forever()

        loop.lowlevel.spawn_system_task(poll, name="poller")
        BACKGROUND.append(scope)
        await checkpoint()
        scope.cancel()
    else:
        task = asyncio.create_task(asyncio.sleep(3600), name="poller")
        BACKGROUND.append(task)
        await checkpoint()
        task.cancel()


async def leaves_a_thread() -> None:
    """Start a thread that only the end of the function stops."""
    RELEASE.clear()
    thread = threading.Thread(target=RELEASE.wait, name="worker", daemon=True)
    thread.start()
    await checkpoint()
    RELEASE.set()
    thread.join()


async def leaves_a_worker() -> None:
    """Leave a thread of the pool to itself, which is at work by then: a job that has not begun is called off."""
    begun = threading.Event()

    def work() -> None:
        begun.set()
        RELEASE.wait(5)

    async with anyio.create_task_group() as group:
        group.start_soon(functools.partial(to_thread.run_sync, work, abandon_on_cancel=True))
        for _ in range(5):  # until the child has handed in its job
            await checkpoint()
        begun.wait(5)
        await checkpoint()


async def leaves_a_registration() -> None:
    """Take its callback off the token only at the end."""
    registration = TOKEN.on_cancel(print)
    await checkpoint()
    registration.unregister()


async def leaves_a_signal_handler() -> None:
    """Put the former handler back only at the end."""
    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    await checkpoint()
    signal.signal(signal.SIGUSR1, before)


async def leaves_a_context_variable() -> None:
    """Reset its variable only at the end."""
    reset = USER.set("me")
    await checkpoint()
    USER.reset(reset)


async def numbers() -> AsyncGenerator[int, None]:
    """Count to two."""
    yield 1
    yield 2


async def leaves_a_generator() -> None:
    """Break out of a generator without closing it."""
    async for _ in numbers():
        await checkpoint()


async def leaves_a_generator_open() -> None:
    """Keep a generator that only the end of the function closes."""
    generator = numbers()
    BACKGROUND.append(generator)
    await anext(generator)
    await checkpoint()
    await generator.aclose()


async def hangs() -> None:
    """Wait for ever in its clean-up, which no cancellation reaches."""
    done = False
    try:
        await checkpoint()
        done = True
    finally:
        with anyio.CancelScope(shield=not done):
            if not done:
                await anyio.sleep_forever()


async def ignores() -> None:
    """Go on whatever comes."""
    try:
        await checkpoint()
    except anyio.get_cancelled_exc_class():
        while True:
            try:
                await anyio.sleep(1)
            except anyio.get_cancelled_exc_class():
                pass


async def uncancels() -> None:
    """Take back a request of asyncio's that it has not made."""
    try:
        await checkpoint()
    except asyncio.CancelledError:
        task = asyncio.current_task()
        assert task is not None
        task.uncancel()
        raise


def tidy_up() -> None:
    """Take away what these functions have left."""
    RELEASE.set()
    for left in BACKGROUND:
        if not isinstance(left, CancelationToken):
            getattr(left, "cancel", int)()
    BACKGROUND.clear()
    TOKEN._listeners.clear()
    signal.signal(signal.SIGUSR1, signal.SIG_DFL)
