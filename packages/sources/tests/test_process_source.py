"""ProcessSource: the end of a process ends an operation, told by the kernel or seen with psutil."""

from __future__ import annotations

import errno
import gc
import os

import anyio
import pytest

from hother.cancelable import AnyOfSource, Cancelable, CancelationReason, ConditionCancelation
from hother.cancelable.sources import AllOfSource, ProcessSource

from .processes import UNTIL_TOLD, WAYS, Helper, go
from .shared import count_tasks

PARENT = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-I", "-S", "-c", {UNTIL_TOLD!r}])
print(child.pid, flush=True)
child.wait()
"""


@pytest.mark.parametrize("way", WAYS)
async def test_the_end_of_a_process_ends_the_operation(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has ended although nobody has asked for its exit status; the record names it."""
    go(way, monkeypatch)
    with Helper() as helper, anyio.fail_after(10):
        with pytest.raises(ConditionCancelation, match=f"process {helper.pid} has ended"):
            async with Cancelable.with_source(ProcessSource(helper.pid)) as operation:
                helper.end()
                await anyio.sleep_forever()
        assert helper.process.returncode is None
    assert operation.context.cancel_reason is CancelationReason.CONDITION
    assert operation.context.cancel_origin == f"process {helper.pid}"


@pytest.mark.parametrize("way", WAYS)
async def test_a_process_that_runs_on(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operation is not ended while the process runs, and leaves no task behind."""
    go(way, monkeypatch)
    with Helper() as helper:
        tasks = count_tasks()
        async with Cancelable.with_source(ProcessSource(helper.pid)) as operation:
            await anyio.sleep(0.25)
        assert not operation.cancel_requested
        await anyio.wait_all_tasks_blocked()
        assert count_tasks() == tasks


@pytest.mark.parametrize("way", WAYS)
async def test_a_process_that_has_ended_before_the_operation(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that was made in time fires at once, in each operation that uses it, and by hand."""
    go(way, monkeypatch)
    with Helper() as helper, anyio.fail_after(10):
        source = ProcessSource(helper.pid)
    for _ in range(3):
        async with Cancelable.with_source(source, move_on=True) as operation:
            await anyio.sleep_forever()
        assert operation.is_cancelled
    assert await source.wait() == f"process {helper.pid} has ended"


@pytest.mark.parametrize("way", WAYS)
async def test_a_process_that_is_no_child(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any process can be waited for, not only those that this one has started."""
    go(way, monkeypatch)
    with Helper(PARENT) as parent, anyio.fail_after(10):
        assert parent.process.stdout is not None
        grandchild = int(parent.process.stdout.readline())
        async with Cancelable.with_source(ProcessSource(grandchild), move_on=True) as operation:
            parent.end()  # they share the pipe that it reads
            await anyio.sleep_forever()
        assert operation.is_cancelled


@pytest.mark.parametrize("way", WAYS)
async def test_many_sources_wait_for_one_process(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has a descriptor of its own, so none is in another's way."""
    go(way, monkeypatch)
    ended: list[Cancelable] = []

    async def work(pid: int) -> None:
        async with Cancelable.with_source(ProcessSource(pid), move_on=True) as operation:
            await anyio.sleep_forever()
        ended.append(operation)

    with Helper() as helper, anyio.fail_after(15):
        async with anyio.create_task_group() as group:
            for _ in range(150):
                group.start_soon(work, helper.pid)
            await anyio.wait_all_tasks_blocked()
            helper.end()
    assert len(ended) == 150
    assert all(each.is_cancelled for each in ended)


@pytest.mark.parametrize("way", WAYS)
async def test_in_composites(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any of two processes, all of two processes."""
    go(way, monkeypatch)
    with Helper() as first, Helper() as second, anyio.fail_after(10):
        every = AllOfSource(ProcessSource(first.pid), ProcessSource(second.pid))
        async with Cancelable.with_source(every, move_on=True) as outer:
            either = AnyOfSource(ProcessSource(first.pid), ProcessSource(second.pid))
            async with Cancelable.with_source(either, move_on=True) as inner:
                second.end()
                await anyio.sleep_forever()
            assert inner.context.cancel_origin == f"process {second.pid}"
            assert not outer.cancel_requested
            first.end()
            await anyio.sleep_forever()
        assert outer.context.cancel_origin == f"process {first.pid}"


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="this system has no pidfd_open")
def test_the_descriptor_lives_as_long_as_the_source() -> None:
    """Programs that are started do not inherit it, and it is closed with the source."""
    with Helper() as helper:
        source = ProcessSource(helper.pid)
        descriptor = source._pidfd
        assert descriptor is not None
        assert not os.get_inheritable(descriptor)
        del source
        gc.collect()
        with pytest.raises(OSError, match=os.strerror(errno.EBADF)):
            os.fstat(descriptor)


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.EPERM])
async def test_a_sandbox_without_pidfd_open(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system refuses the descriptor, the process is looked at with psutil."""
    go("psutil", monkeypatch)

    def refuse(pid: int) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "pidfd_open", refuse, raising=False)
    with Helper() as helper, anyio.fail_after(10):
        async with Cancelable.with_source(ProcessSource(helper.pid), move_on=True) as operation:
            helper.end()
            await anyio.sleep_forever()
        assert operation.is_cancelled


def test_a_descriptor_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other refusals, like too many open files, are not hidden."""

    def refuse(pid: int) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(os, "pidfd_open", refuse, raising=False)
    with pytest.raises(OSError, match=os.strerror(errno.EMFILE)):
        ProcessSource(os.getppid())


async def test_looking_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """`wait` goes on looking until the process has ended."""
    go("psutil", monkeypatch)
    with Helper() as helper, anyio.fail_after(10):
        source = ProcessSource(helper.pid)
        async with anyio.create_task_group() as group:
            group.start_soon(source.wait)
            await anyio.wait_all_tasks_blocked()
            helper.end()


@pytest.mark.parametrize("way", WAYS)
def test_repr(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It shows the process."""
    go(way, monkeypatch)
    with Helper() as helper:
        assert repr(ProcessSource(helper.pid)) == f"ProcessSource({helper.pid})"
