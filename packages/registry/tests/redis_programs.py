"""Programs that take part in a shared registry.

As a script: `python redis_programs.py <function> <url> <namespace> <loop>`. It is no test module, since it takes a
program long to import pytest.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import time
import warnings
from collections.abc import Awaitable, Callable
from typing import Any

import anyio

from hother.cancelable import Cancelable, CancelationReason
from hother.cancelable.registry import OperationRegistry, RedisBackend, ThreadSafeRegistry

LOOPS: dict[str, dict[str, Any]] = {
    "asyncio": {"backend": "asyncio"},
    "uvloop": {"backend": "asyncio", "backend_options": {"use_uvloop": True}},
    "trio": {"backend": "trio"},
}


class Program:
    """What each of them has: the registry, and the loop that the test asks for."""

    def __init__(self, url: str, namespace: str, loop: str) -> None:
        self.url, self.namespace, self.loop = url, namespace, loop

    def make_registry(self) -> OperationRegistry:
        """Make the registry and follow all operations."""
        registry = OperationRegistry(RedisBackend(self.url, namespace=self.namespace, lease=1.5))
        registry.track_all()
        return registry

    def run(self, main: Callable[[], Awaitable[object]]) -> None:
        """Run a coroutine function."""
        anyio.run(main, **LOOPS[self.loop])


async def job(name: str) -> None:
    """Run until somebody says stop; say how that went."""
    async with Cancelable(operation_id=name, name="job", move_on=True) as operation:
        say(f"{name} runs")
        await anyio.sleep_forever()
    context = operation.context
    say(f"{name} {context.status.value} {context.cancel_reason} {context.cancel_message}")


async def jobs(*names: str) -> None:
    """Run several."""
    async with anyio.create_task_group() as group:
        for name in names:
            group.start_soon(job, name)


def say(line: str) -> None:
    """Tell the test, in one piece."""
    os.write(1, f"{line}\n".encode())


def three(program: Program) -> None:
    """Run three jobs, then end as programs do."""
    program.make_registry()
    program.run(lambda: jobs("a", "b", "c"))


def leaving(program: Program) -> None:
    """End while a job still runs, without closing the registry."""
    registry = program.make_registry()

    async def main() -> None:
        operation = Cancelable(operation_id="a")
        await registry.register(operation)
        say("a runs")
        await anyio.to_thread.run_sync(sys.stdin.readline)

    program.run(main)


def blocking(program: Program) -> None:
    """Block the event loop until the test says go."""
    program.make_registry()

    async def main() -> None:
        async with Cancelable(operation_id="a", move_on=True):
            await anyio.sleep(0)
            say("a runs")
            sys.stdin.readline()
            await anyio.sleep_forever()

    program.run(main)


def without_loop(program: Program) -> None:
    """Cancel a job of another process in a program that has no event loop."""
    registry = ThreadSafeRegistry(OperationRegistry(RedisBackend(program.url, namespace=program.namespace, lease=1.5)))
    [record] = registry.list_operations(name_pattern="job")
    result = registry.cancel(record.id, CancelationReason.SHUTDOWN, "no loop", wait=5)
    say(f"{result.state.value} {result.record and result.record.status.value}")
    registry.close()


def forking(program: Program) -> None:
    """Make the registry first, then fork workers, as gunicorn does with `--preload`."""
    program.make_registry()
    program.run(lambda: short("before"))
    warnings.simplefilter("ignore", DeprecationWarning)  # that there are threads: they are the registry's
    children = list[int]()
    for name in ("a", "b"):
        child = os.fork()
        if child == 0:
            program.run(lambda name=name: jobs(name))  # type: ignore[misc]
            return
        children.append(child)
    program.run(lambda: jobs("parent"))
    for child in children:
        os.waitpid(child, 0)


async def short(name: str) -> None:
    """Begin and end."""
    async with Cancelable(operation_id=name):
        pass


def forked_while_noted(program: Program) -> None:
    """Fork while a note was not written yet: only the parent may write it. The child then asks how it stands."""
    registry = program.make_registry()
    backend = registry.engine.backend
    assert isinstance(backend, RedisBackend)
    program.run(lambda: short("before"))
    warnings.simplefilter("ignore", DeprecationWarning)
    if os.fork() == 0:
        say(f"child {len(backend._notes)} {threading.active_count()} {backend.health()['available']}")
        deadline = time.monotonic() + 10
        while not (takes_part := backend.health()["available"]) and time.monotonic() < deadline:
            time.sleep(0.005)
        say(f"child takes part: {takes_part}")
        os._exit(0)
    os.wait()
    say(f"parent {ThreadSafeRegistry(registry).get_statistics()['total_started']}")


def multiprocess(program: Program) -> None:
    """Start workers with `multiprocessing`, by the method that stands in place of the loop's name."""
    context: Any = multiprocessing.get_context(program.loop)
    warnings.simplefilter("ignore", DeprecationWarning)
    if program.loop == "fork":
        program.make_registry()
    workers = [context.Process(target=multiprocess_worker, args=(vars(program), name)) for name in ("a", "b")]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def multiprocess_worker(settings: dict[str, str], name: str) -> None:
    """Run one job, with the registry of the process or, after `spawn`, a new one."""
    program = Program(settings["url"], settings["namespace"], "asyncio")
    if settings["loop"] == "spawn":
        program.make_registry()
    program.run(lambda: jobs(name))


def busy(program: Program) -> None:
    """Say how long operations of 50 ms take at worst, in milliseconds, while the server comes and goes.

    By how much a thread oversleeps that does nothing else is taken off: so late is the machine.
    """
    program.make_registry()
    times, naps = list[float](), list[float]()
    has_ended = threading.Event()

    def nap() -> None:
        while not has_ended.is_set():
            start = time.monotonic()
            time.sleep(0.05)
            naps.append(time.monotonic() - start)

    async def one() -> None:
        start = time.monotonic()
        async with Cancelable():
            await anyio.sleep(0.05)
        times.append(time.monotonic() - start)

    async def main() -> None:
        say("runs")
        end = time.monotonic() + 3
        while time.monotonic() < end:
            async with anyio.create_task_group() as group:
                for _ in range(5):
                    group.start_soon(one)

    sleeper = threading.Thread(target=nap)
    sleeper.start()
    program.run(main)
    has_ended.set()
    sleeper.join()
    say(f"{(worst_of(times) - (worst_of(naps) - 0.05)) * 1000:.0f}")


def worst_of(times: list[float]) -> float:
    """Return the p99."""
    return sorted(times)[int(len(times) * 0.99)]


if __name__ == "__main__":
    globals()[sys.argv[1]](Program(*sys.argv[2:5]))
