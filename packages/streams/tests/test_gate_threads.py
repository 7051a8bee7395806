"""Pausing and resuming from threads, several loops and signal handlers."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable

import anyio
import anyio.to_thread
import pytest

from hother.cancelable import cancelable_stream
from hother.cancelable.streams import PauseGate

from .pacing import Consumer, counting


async def test_from_threads() -> None:
    """A thread pauses a stream and lets it go on."""
    gate, consumer_waits = PauseGate(), threading.Event()
    await anyio.to_thread.run_sync(gate.pause)

    def resume() -> None:
        assert consumer_waits.wait(10)
        gate.resume()

    consumer = Consumer(cancelable_stream(counting(5), gate=gate))
    async with anyio.create_task_group() as group:
        group.start_soon(consumer.run)
        await anyio.wait_all_tasks_blocked()
        assert consumer.items == []
        consumer_waits.set()
        await anyio.to_thread.run_sync(resume)
    assert consumer.items == list(range(5))


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_several_loops_at_one_gate(backend: str) -> None:
    """A gate holds streams of several event loops, and a thread without any lets them go on."""
    gate, held = PauseGate(), threading.Semaphore(0)
    gate.pause()
    received: list[list[int]] = []

    async def main() -> None:
        consumer = Consumer(cancelable_stream(counting(5), gate=gate, item_timeout=20))
        async with anyio.create_task_group() as group:
            group.start_soon(consumer.run)
            await anyio.wait_all_tasks_blocked()
            assert consumer.items == []
            held.release()
        received.append(consumer.items)

    threads = [
        threading.Thread(target=anyio.run, args=(main,), kwargs={"backend": each}) for each in (backend, "asyncio")
    ]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert held.acquire(timeout=10)
    gate.resume()
    for thread in threads:
        thread.join(10)
    assert received == [list(range(5))] * 2
    assert not gate._listeners


@pytest.mark.loops("asyncio", "trio")
async def test_from_a_signal_handler() -> None:
    """A signal handler pauses a stream, and the next signal lets it go on."""
    gate = PauseGate()

    def toggle(*_: object) -> None:
        (gate.resume if gate.is_paused else gate.pause)()

    before = signal.signal(signal.SIGUSR1, toggle)
    try:
        consumer = Consumer(cancelable_stream(counting(5), gate=gate, item_timeout=20))
        signal.raise_signal(signal.SIGUSR1)
        assert gate.is_paused
        async with anyio.create_task_group() as group:
            group.start_soon(consumer.run)
            await anyio.wait_all_tasks_blocked()
            assert consumer.items == []
            signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert consumer.items == list(range(5))


async def _threads(*works: Callable[[], None]) -> None:
    async with anyio.create_task_group() as group:
        for work in works:
            group.start_soon(anyio.to_thread.run_sync, work)


async def test_threads_that_race() -> None:
    """However threads pause and resume at the same time, the last `resume` lets the stream go on."""
    gate, asked = PauseGate(), list[int]()
    send, receive = anyio.create_memory_object_stream[int](5)
    consumer = Consumer(cancelable_stream(receive, gate=gate, item_timeout=20))

    def toggle() -> None:
        for _ in range(300):
            gate.pause()
            gate.resume()

    async with receive, anyio.create_task_group() as group:
        group.start_soon(consumer.run)
        async with send:
            for number in range(20):
                await _threads(toggle, toggle, toggle, toggle)
                assert not gate.is_paused
                await send.send(number)
                asked.append(number)
    assert consumer.items == asked
    assert not gate._listeners
