"""The virtual clock: it jumps where nothing is to be done, and not past a thread at work."""

from __future__ import annotations

import asyncio
import math
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from anyio import from_thread, to_thread

from hother.cancelable import Cancelable, TimeoutCancelation
from hother.cancelable.testing import VirtualLoop, virtual_clock

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])


def run(backend: str, function: Callable[[], Any], **options: Any) -> Any:
    """Run a function on a virtual clock; return what it returns and how long that took, in real seconds."""
    started = time.monotonic()
    outcome = anyio.run(function, backend=backend, backend_options=virtual_clock(backend, **options))
    return outcome, time.monotonic() - started


@BACKENDS
def test_waiting_takes_no_time(backend: str) -> None:
    """A year of sleep in a thousand pieces is over at once, and the clock says that a year has passed."""

    async def sleep() -> float:
        for _ in range(1000):
            await anyio.sleep(31536)
        return anyio.current_time()

    virtual, real = run(backend, sleep)
    assert virtual == pytest.approx(31_536_000)
    assert real < 20


@BACKENDS
def test_timeouts_come_in_their_order(backend: str) -> None:
    """Whatever waits for less is woken earlier."""
    order: list[float] = []

    async def wait(seconds: float) -> None:
        with pytest.raises(TimeoutCancelation):
            async with Cancelable.with_timeout(seconds):
                await anyio.sleep_forever()
        order.append(anyio.current_time())

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for seconds in (3, 1, 2, 86400 * 30):
                group.start_soon(wait, seconds)

    run(backend, main)
    assert order == pytest.approx([1, 2, 3, 86400 * 30])


@BACKENDS
@pytest.mark.parametrize("limiter", [False, True])
def test_a_worker_at_work_does_not_count_as_idle(backend: str, limiter: bool) -> None:
    """A timeout does not overtake a job in a thread, also where its pool has a limiter of its own."""
    go = threading.Event()

    async def main() -> bool:
        bound = anyio.CapacityLimiter(1) if limiter else None
        for _ in range(3):
            go.clear()
            timer = threading.Timer(0.03, go.set)
            with anyio.move_on_after(20) as limit:
                async with anyio.create_task_group() as group:
                    group.start_soon(lambda: to_thread.run_sync(go.wait, limiter=bound))
                    await anyio.wait_all_tasks_blocked()
                    timer.start()
            timer.join()
            if limit.cancelled_caught:
                return False
        return True

    assert run(backend, main)[0]


@BACKENDS
def test_a_thread_started_meanwhile_does_not_count_as_idle(backend: str) -> None:
    """Nor does a thread that the test starts itself."""

    async def main() -> bool:
        operation = Cancelable(move_on=True)
        thread = threading.Timer(0.05, operation.cancel_sync)
        thread.start()
        with anyio.move_on_after(20) as limit:
            async with operation:
                await anyio.sleep_forever()
        thread.join()
        return limit.cancelled_caught

    assert not run(backend, main)[0]


@BACKENDS
def test_time_passes_while_a_thread_works(backend: str) -> None:
    """A thread that takes longer than a limit allows runs into it after as much real time."""

    async def main() -> float:
        with anyio.move_on_after(0.05):
            await to_thread.run_sync(time.sleep, 0.3, abandon_on_cancel=True)
        return anyio.current_time()

    virtual, real = run(backend, main)
    assert 0.05 <= virtual < 10
    assert real >= 0.05


@BACKENDS
def test_idle_workers_count_as_idle(backend: str) -> None:
    """When the jobs of the pool are done the clock jumps again."""

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(to_thread.run_sync, time.sleep, 0.01)
        await anyio.sleep(3600)

    assert run(backend, main)[1] < 20


@BACKENDS
def test_a_thread_that_calls_back_is_waited_for(backend: str) -> None:
    """Work that goes from the loop to a thread and back comes to its end before any timeout."""

    async def main() -> str:
        async with Cancelable.with_timeout(60):
            return await to_thread.run_sync(from_thread.run, back)

    async def back() -> str:
        await anyio.lowlevel.checkpoint()
        return "back"

    assert run(backend, main)[0] == "back"


def test_jobs_of_an_executor_are_waited_for() -> None:
    """On asyncio `to_thread` and `run_in_executor` use another pool."""

    async def main() -> float:
        with anyio.fail_after(60):
            await asyncio.to_thread(time.sleep, 0.03)
            await asyncio.to_thread(time.sleep, 0.03)
        await asyncio.sleep(3600)
        return asyncio.get_running_loop().time()

    virtual, real = run("asyncio", main)
    assert 3600 < virtual < 3660
    assert real < 20


@BACKENDS
def test_waiting_for_blocked_tasks_comes_before_a_jump(backend: str) -> None:
    """`wait_all_tasks_blocked` returns when the others sleep, not after."""
    blocked_at: list[float] = []

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 3600)
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
            blocked_at.append(anyio.current_time())

    run(backend, main)
    assert blocked_at[0] < 3600


@BACKENDS
def test_idle_for_waits_for_sockets(backend: str) -> None:
    """What comes through a socket has real time to come, where it is asked for."""
    here, there = socket.socketpair()

    async def main() -> bytes:
        async with await anyio.abc.SocketStream.from_socket(here) as stream:
            with anyio.fail_after(20):
                received = await stream.receive()
        return received

    sender = threading.Timer(0.05, there.send, [b"hello"])
    sender.start()
    try:
        assert run(backend, main, idle_for=15)[0] == b"hello"
    finally:
        sender.join()
        there.close()


@BACKENDS
def test_one_result_serves_several_runs(backend: str) -> None:
    """Each run starts at 0."""
    options = virtual_clock(backend)

    async def main() -> float:
        await anyio.sleep(5)
        return anyio.current_time()

    first, second = (anyio.run(main, backend=backend, backend_options=options) for _ in range(2))
    assert first == second == pytest.approx(5)


@pytest.mark.virtual_time
async def test_the_clock_can_be_pushed() -> None:
    """`jump` lets time pass in which nobody else runs, as a long computation would."""
    clock: Any
    try:
        clock = asyncio.get_running_loop()
    except RuntimeError:
        clock = sys.modules["trio"].lowlevel.current_clock()
    before = anyio.current_time()
    clock.jump(7)
    assert anyio.current_time() == before + 7


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks need Python 3.12")
def test_tasks_can_be_eager() -> None:
    """Asyncio's eager tasks run on virtual time, too."""

    async def main() -> list[int]:
        seen: list[int] = []

        async def note() -> None:
            seen.append(1)

        task = asyncio.create_task(note())
        seen.append(2)
        await task
        return seen

    assert run("asyncio", main, eager=True)[0] == [1, 2]


def test_a_loop_of_its_own() -> None:
    """`VirtualLoop` serves where a loop is wanted."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(asyncio.sleep(3600))
        assert runner.get_loop().time() == pytest.approx(3600)


@pytest.mark.parametrize(
    ("arguments", "options", "text"),
    [
        (["uvloop"], {}, "'uvloop': no other loop's clock can jump"),
        (["trio"], {"eager": True}, "leave out eager=True"),
        ([], {"idle_for": -1}, "idle_for must be a finite number of seconds"),
        ([], {"idle_for": math.nan}, "not nan"),
        ([], {"idle_for": math.inf}, "not inf"),
        ([], {"idle_for": "0.1"}, "not '0.1'"),
    ],
)
def test_bad_arguments_of_the_clock(arguments: list[str], options: dict[str, Any], text: str) -> None:
    """What cannot be is said at once."""
    with pytest.raises(ValueError, match=text):
        virtual_clock(*arguments, **options)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="eager tasks came with Python 3.12")
def test_eager_tasks_of_an_old_python() -> None:
    """Where asyncio has no eager tasks the error says which Python has."""
    with pytest.raises(ValueError, match=r"Python 3\.12"):
        virtual_clock(eager=True)
