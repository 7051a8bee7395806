"""Closing a source that somebody else closes, or that does not come to its end."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncGenerator, Callable
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from hother.cancelable import Cancelable, cancelable_stream
from hother.cancelable.streams.iterating import CLOSE_TIMEOUT, close_in_system_task, close_iterator

from .shared import Source, count, every_way, settle, stream_maker

Loops = Callable[[], asyncio.AbstractEventLoop] | None


def _loop_factories() -> list[Loops]:
    factories: list[Loops] = [asyncio.SelectorEventLoop]
    try:
        import uvloop
    except ImportError:
        return factories
    return [*factories, uvloop.new_event_loop]


@every_way
@pytest.mark.loops("asyncio", "eager", "uvloop")
async def test_a_stream_in_a_cycle(way: str, caplog: pytest.LogCaptureFixture) -> None:
    """The garbage collector has asyncio close stream and source at the same time; the clean-up runs once, silently."""
    source, reports = Source(), list[Any]()
    asyncio.get_running_loop().set_exception_handler(lambda _, report: reports.append(report))
    async with stream_maker(way) as stream_of:
        cycle = SimpleNamespace()
        cycle.itself, cycle.stream = cycle, stream_of(source())
        cycle.iterator = aiter(cycle.stream)
        assert await anext(cycle.iterator) == 0
        del cycle
        gc.collect()
        await settle()
    assert source.log == ["GeneratorExit", "closed"]
    assert caplog.records == []
    assert reports == []


@pytest.mark.parametrize("factory", _loop_factories())
def test_streams_that_are_open_at_the_end_of_the_loop(factory: Loops, caplog: pytest.LogCaptureFixture) -> None:
    """Asyncio closes them and their sources in any order; each clean-up runs once, whatever is closed first."""
    kept, sources = list[object](), list[Source]()

    async def main() -> None:
        for limit in (None, 60, 120) * 4:
            sources.append(Source(cleanup=0.001))
            stream = cancelable_stream(sources[-1](), timeout=limit)
            kept.append(stream)
            assert await anext(stream) == 0
        async with Cancelable() as operation:
            sources.append(Source(cleanup=0.001))
            stream = operation.stream(sources[-1]())
            kept.append(stream)
            assert await anext(stream) == 0

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())
    assert [source.log for source in sources] == [["GeneratorExit", "closed"]] * 13
    assert caplog.records == []


@pytest.mark.loops("asyncio", "uvloop")
async def test_a_close_that_is_cancelled_before_the_source_is_closed() -> None:
    """A task of the loop's that closes a stream closes the source also where it is cancelled at once."""
    source = Source()
    stream = cancelable_stream(source())
    assert await anext(stream) == 0
    generator: Any = aiter(stream)
    task = asyncio.create_task(generator.aclose())
    await asyncio.sleep(0)
    assert source.log == []
    task.cancel()
    await asyncio.wait((task,))
    assert task.cancelled()
    assert source.log == ["GeneratorExit", "closed"]


@pytest.mark.loops("trio")
async def test_a_stream_that_is_closed_already_when_it_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    """On trio the task that closes what was dropped leaves alone what somebody closes."""
    source = Source(cleanup=0.001)
    stream = cancelable_stream(source())
    assert await anext(stream) == 0
    generator: Any = stream._generator
    async with anyio.create_task_group() as group:
        group.start_soon(stream.aclose)
        while not source.log:
            await anyio.lowlevel.checkpoint()
        close_in_system_task(generator)
    assert source.log == ["GeneratorExit", "closed"]
    assert caplog.records == []


@pytest.mark.virtual_time
@every_way
async def test_a_clean_up_that_is_cut_off(way: str, caplog: pytest.LogCaptureFixture) -> None:
    """A clean-up of a cancelled stream that takes too long ends with a warning that names the source."""
    source = Source(cleanup=10 * CLOSE_TIMEOUT)
    with anyio.CancelScope() as scope:
        async with stream_maker(way) as stream_of, stream_of(source()) as stream:
            assert await anext(stream) == 0
            since = anyio.current_time()
            scope.cancel()
    assert anyio.current_time() - since == pytest.approx(CLOSE_TIMEOUT)
    assert source.log == ["GeneratorExit"]
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("hother.cancelable", logging.WARNING)
    assert f"cut off after {CLOSE_TIMEOUT:g} s" in record.getMessage()
    assert "Source.__call__" in record.getMessage()


@pytest.mark.virtual_time
async def test_a_clean_up_that_is_not_cut_off(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is said of one that just about makes it, nor of one that takes its time where nothing is cancelled."""
    source = Source(cleanup=CLOSE_TIMEOUT - 1)
    with anyio.CancelScope() as scope:
        async with cancelable_stream(source()) as stream:
            assert await anext(stream) == 0
            scope.cancel()
    slow = Source(cleanup=10 * CLOSE_TIMEOUT)
    async with cancelable_stream(slow()) as stream:
        assert await anext(stream) == 0
    assert source.log == slow.log == ["GeneratorExit", "closed"]
    assert caplog.records == []


async def test_what_cannot_be_closed() -> None:
    """An iterator without `aclose` is left as it is, and a generator that has ended may be closed again."""

    class Iterator:
        def __aiter__(self) -> Iterator:
            return self

        async def __anext__(self) -> int:
            return 1

    await close_iterator(Iterator())
    ended: AsyncGenerator[int, None] = count(0)
    assert [number async for number in ended] == []
    await close_iterator(ended)
