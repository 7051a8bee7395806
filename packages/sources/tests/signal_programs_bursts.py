"""Programs that receive many signals, at any time; see `test_signal_bursts.py`."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

import anyio
from anyio import to_thread

from hother.cancelable import Cancelable

from .signal_running import say, send

BOTH = (signal.SIGUSR1, signal.SIGUSR2)


def _kill(times: int, *numbers: int) -> None:
    for _ in range(times):
        for number in numbers:
            os.kill(os.getpid(), number)


async def _ended_by(burst: Callable[[], object]) -> None:
    """See that a burst, during which the event loop does not run, ends all operations and nothing else."""
    async with anyio.create_task_group() as group:
        operations = [Cancelable.with_signal(number, move_on=True) for number in BOTH * 10]

        async def wait(operation: Cancelable) -> None:
            async with operation:
                await anyio.sleep_forever()

        for operation in operations:
            group.start_soon(wait, operation)
        await anyio.wait_all_tasks_blocked()
        burst()
    assert all(operation.is_cancelled for operation in operations)
    assert signal.getsignal(signal.SIGUSR1) is signal.getsignal(signal.SIGUSR2) is signal.SIG_DFL


async def from_main_thread() -> None:
    """Send hundreds of signals at once."""
    await _ended_by(lambda: _kill(500, *BOTH))


async def from_other_thread() -> None:
    """Have threads send hundreds of signals."""

    def burst() -> None:
        threads = [threading.Thread(target=_kill, args=(200, *BOTH)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    await _ended_by(burst)


async def with_handlers() -> None:
    """Send hundreds of signals at once while the program has handlers of its own, and not lose one."""
    calls: list[int] = []

    def handler(number: int, frame: object) -> None:
        calls.append(number)

    for number in BOTH:
        signal.signal(number, handler)
    async with Cancelable.with_signal(*BOTH, move_on=True) as operation:
        send(*BOTH * 500)
        await anyio.sleep_forever()
    assert operation.is_cancelled
    assert calls == [*BOTH * 500]


async def stormy() -> None:
    """Come and go while signals come without end; a handler of the program takes those between."""
    for number in BOTH:
        signal.signal(number, lambda *_: None)
    say("ready")
    for _ in range(200):
        async with Cancelable.with_signal(*BOTH, move_on=True) as operation:
            await anyio.sleep_forever()
        assert operation.is_cancelled
    for number in BOTH:
        signal.signal(number, signal.SIG_IGN)
    say("done")


async def idle() -> None:
    """Wait with nothing else to do, for one signal after the other, sent by a thread the moment the loop is idle."""
    for _ in range(200):
        async with Cancelable.with_signal(signal.SIGUSR1, move_on=True) as operation:
            sender = threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGUSR1))
            sender.start()
            await anyio.sleep_forever()
        assert operation.is_cancelled
        sender.join()


async def among_threads() -> None:
    """Get a signal through a worker thread while the loop waits: the system may choose any thread."""
    stop, idents = threading.Event(), list[int]()

    def work() -> None:
        idents.append(threading.get_ident())
        stop.wait()

    async with anyio.create_task_group() as group:
        group.start_soon(to_thread.run_sync, work)
        while not idents:
            await anyio.sleep(0)
        for _ in range(20):
            async with Cancelable.with_signal(signal.SIGUSR1, move_on=True) as operation:
                timer = threading.Timer(0.01, signal.pthread_kill, (idents[0], signal.SIGUSR1))
                timer.start()
                await anyio.sleep_forever()
            assert operation.is_cancelled
            timer.join()
        stop.set()


async def many() -> None:
    """Have a thousand operations end by one signal."""
    operations = [Cancelable.with_signal(signal.SIGTERM, move_on=True) for _ in range(1000)]

    async def wait(operation: Cancelable) -> None:
        async with operation:
            await anyio.sleep_forever()

    async with anyio.create_task_group() as group:
        for operation in operations:
            group.start_soon(wait, operation)
        await anyio.wait_all_tasks_blocked()
        send(signal.SIGTERM)
    assert all(operation.is_cancelled for operation in operations)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
