"""Each source of the package in an operation that is cancelled at each of its suspension points."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from anyio.lowlevel import checkpoint

from hother.cancelable import Cancelable, CancelationSource, CancelationToken
from hother.cancelable.sources import (
    AllOfSource,
    AnyOfSource,
    ConditionSource,
    ProcessSource,
    SignalSource,
    TimeoutSource,
    TokenSource,
)
from hother.cancelable.testing import FakeSource, cancel_at_each_checkpoint

Make = Callable[[], CancelationSource]


async def no() -> bool:
    """Say no, after a turn."""
    await checkpoint()
    return False


SOURCES: dict[str, Make] = {
    "timeout": lambda: TimeoutSource(60),
    "token": lambda: TokenSource(CancelationToken()),
    "signal": lambda: SignalSource(signal.SIGUSR2),
    "condition": lambda: ConditionSource(lambda: False, 60),
    "async condition": lambda: ConditionSource(no, 60),
    "any of": lambda: AnyOfSource([TimeoutSource(60), ConditionSource(no, 60), FakeSource()]),
    "all of": lambda: AllOfSource([TimeoutSource(60), ConditionSource(no, 60), FakeSource()]),
    "operators": lambda: (FakeSource() | TokenSource(CancelationToken())) & TimeoutSource(60),
}


@pytest.mark.parametrize("name", SOURCES)
async def test_a_source_is_disarmed_wherever_its_operation_is_cancelled(name: str) -> None:
    """No task, thread, registration or signal handler of the source outlives its operation."""

    async def use() -> None:
        async with Cancelable.with_source(SOURCES[name]()):
            await checkpoint()
            await checkpoint()

    done = await cancel_at_each_checkpoint(use)
    assert done.points >= 2


@pytest.mark.parametrize("name", SOURCES)
async def test_two_operations_with_such_a_source_are_cancelled_everywhere(name: str) -> None:
    """What sources share, such as a ticker or a handler, serves the one that is left."""

    async def one() -> None:
        async with Cancelable.with_source(SOURCES[name]()):
            await checkpoint()

    async def use() -> None:
        async with Cancelable.with_source(SOURCES[name]()), anyio.create_task_group() as group:
            group.start_soon(one)
            group.start_soon(one)

    await cancel_at_each_checkpoint(use, ways=["native", "token"], budget=60)


@pytest.mark.virtual_time
@pytest.mark.parametrize("name", ["timeout", "async condition"])
async def test_waiting_for_a_source_by_hand(name: str) -> None:
    """`wait` of a source is a coroutine like any other."""
    if name == "timeout":
        await cancel_at_each_checkpoint(TimeoutSource(3).wait)
        return
    asked = 0

    async def third() -> bool:
        nonlocal asked
        asked += 1
        await checkpoint()
        return asked % 3 == 0

    def fresh() -> None:
        nonlocal asked
        asked = 0

    await cancel_at_each_checkpoint(ConditionSource(third, 1).wait, fresh=fresh)


async def test_waiting_for_a_token_by_hand() -> None:
    """The same for a token, cancelled by another task."""

    async def use() -> None:
        token = CancelationToken()
        async with anyio.create_task_group() as group:
            group.start_soon(TokenSource(token).wait)
            await checkpoint()
            await token.cancel()

    await cancel_at_each_checkpoint(use)


async def test_a_condition_in_a_thread_ends_with_its_operation() -> None:
    """The thread that asks is left, if at all, when it has answered."""

    async def use() -> None:
        async with Cancelable.with_source(ConditionSource(lambda: False, 60, in_thread=True)):
            await checkpoint()

    await cancel_at_each_checkpoint(use, ways=["native", "token"])


async def test_a_process_source_ends_with_its_operation() -> None:
    """Watching a process leaves nothing behind."""
    async with await anyio.open_process([sys.executable, "-c", "input()"], stdout=None, stderr=None) as process:

        async def use() -> None:
            async with Cancelable.with_source(ProcessSource(process.pid)):
                await checkpoint()

        await cancel_at_each_checkpoint(use, ways=["native", "token"])
        assert process.stdin is not None
        await process.stdin.aclose()
        await process.wait()


async def test_a_resource_source_ends_with_its_operation() -> None:
    """So does watching the memory of the machine."""
    pytest.importorskip("psutil", reason="needs the extra `resources`")
    from hother.cancelable.sources import ResourceConditionSource

    async def use() -> None:
        async with Cancelable.with_source(ResourceConditionSource(memory_percent=100, check_interval=60)):
            await checkpoint()

    await cancel_at_each_checkpoint(use, ways=["native", "token"])


async def test_a_file_source_ends_with_its_operation(tmp_path: Path) -> None:
    """The thread that watches a folder ends with the last of its users."""
    pytest.importorskip("watchfiles", reason="needs the extra `files`")
    from hother.cancelable.sources import FileSource

    async def use() -> None:
        async with Cancelable.with_source(FileSource(tmp_path / "stop")):
            await checkpoint()

    await cancel_at_each_checkpoint(use, ways=["native", "token"])
