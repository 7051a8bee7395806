"""Leaving a stream before its end: its source is closed, and nothing stays behind."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator

import anyio
import pytest
from anyio.lowlevel import checkpoint

from hother.cancelable import Cancelable, CancelationToken, cancelable_stream, current_operation
from hother.cancelable.core import current_loop, has_listeners
from hother.cancelable.streams import CancelableAsyncIterator

from .shared import Source, count, every_way, settle, stream_maker


def _tasks() -> int:
    return len(anyio.get_running_tasks())


@every_way
async def test_a_break_out_of_a_bare_loop(way: str, caplog: pytest.LogCaptureFixture) -> None:
    """The source is closed soon, with its clean-up, and no task, scope, variable, registration or warning is left."""
    source, tasks = Source(), _tasks()
    async with stream_maker(way) as stream_of:
        before = current_operation()
        async for number in stream_of(source()):
            assert current_operation() is before
            if number == 2:
                break
        assert current_operation() is before
        await settle()
        assert source.log == ["GeneratorExit", "closed"]
        assert _tasks() == tasks
    (operation,) = set(source.operations)
    assert operation is not None
    assert operation.is_completed
    assert not has_listeners(operation.token)
    assert (current_operation(), anyio.current_effective_deadline()) == (None, float("inf"))
    assert caplog.records == []


@every_way
async def test_a_break_inside_async_with(way: str) -> None:
    """As a context manager the stream has closed its source when the block is left."""
    source, tasks = Source(), _tasks()
    async with stream_maker(way) as stream_of:
        async with stream_of(source()) as stream:
            async for number in stream:
                if number == 2:
                    break
            assert source.log == []
        assert source.log == ["GeneratorExit", "closed"]
        assert (stream.partial.count, stream.partial.completed) == (3, False)
        assert stream.operation.is_running is way.startswith("inside")
        assert _tasks() == tasks
        assert [number async for number in stream] == []
    assert stream.operation.is_completed
    assert not has_listeners(stream.operation.token)


@every_way
@pytest.mark.parametrize("managed", [False, True])
async def test_an_error_in_the_body(way: str, managed: bool) -> None:
    """It leaves unchanged; the source is closed, at the end of `async with` or soon, and has not failed itself."""
    source, error = Source(), KeyError("body")
    streams: list[CancelableAsyncIterator[int]] = []

    async def consume() -> None:
        async with stream_maker(way) as stream_of:
            if not managed:
                async for _ in stream_of(source()):
                    raise error
            async with stream_of(source()) as stream:
                streams.append(stream)
                async for _ in stream:
                    raise error

    with pytest.raises(KeyError, match="body") as caught:
        await consume()
    assert caught.value is error
    if managed:
        assert source.log == ["GeneratorExit", "closed"]
    del caught
    error.__traceback__ = None  # which holds the frames, and they what they iterate
    gc.collect()  # what the test tool keeps of it may take part in cycles
    await settle()
    assert source.log == ["GeneratorExit", "closed"]
    if managed and not way.startswith("inside"):
        assert streams[0].operation.is_completed  # the operation of the stream has nothing to do with the body


@every_way
async def test_no_scope_is_held_while_the_consumer_has_an_item(way: str) -> None:
    """A scope of the consumer's may span items in any way, which scopes of the stream's would forbid."""
    async with stream_maker(way) as stream_of:
        scope = anyio.CancelScope()
        async with stream_of(count(4)) as stream:
            async for number in stream:
                if number == 0:
                    scope.__enter__()
                if number == 2:
                    scope.__exit__(None, None, None)
                await checkpoint()
            assert stream.partial.completed


@every_way
async def test_a_stream_that_is_never_iterated(way: str, caplog: pytest.LogCaptureFixture) -> None:
    """It may be dropped without a warning; `async with` and `aclose` close its source, and it is at its end then."""
    source, token = Source(), CancelationToken()
    async with stream_maker(way) as stream_of:
        stream_of(source())
        cancelable_stream(source(), token=token, timeout=5, report_interval=1)
        gc.collect()
        assert len(token._listeners) == 0
        async with stream_of(source()) as stream:
            pass
        assert [number async for number in stream] == []
        started = source()
        assert await anext(started) == 0
        async with stream_of(started) as stream:
            pass
        assert source.log == ["GeneratorExit", "closed"]
        await stream.aclose()
        assert [number async for number in stream] == []
        assert (stream.partial.count, stream.partial.completed) == (0, False)
        iterable = stream_of(count(3))
        await iterable.aclose()
        await iterable.aclose()
        assert await anext(iterable, "none") == "none"
    await settle()
    assert caplog.records == []


async def test_an_iterable_that_was_closed_before_it_began() -> None:
    """A stream that was closed gives nothing, also where its source could begin."""

    class Iterable:
        async def __aiter__(self) -> AsyncGenerator[int, None]:
            yield 1

    stream = cancelable_stream(Iterable())
    await stream.aclose()
    assert [number async for number in stream] == []


@every_way
async def test_two_consumers_one_after_the_other(way: str) -> None:
    """A second loop over the same stream goes on where the first one broke off."""
    async with stream_maker(way) as stream_of:
        async with stream_of(count(5)) as stream:
            first = [number async for number in _until(stream, 2)]
            second = [number async for number in stream]
        assert (first, second) == ([0, 1], [2, 3, 4])
        assert (stream.partial.count, stream.partial.completed) == (5, True)


async def _until(stream: CancelableAsyncIterator[int], end: int) -> AsyncGenerator[int, None]:
    """Yield items up to a number, and leave the stream to others."""
    async for number in stream:
        yield number
        if number == end - 1:
            return


async def _fails_to_close() -> AsyncGenerator[int, None]:
    try:
        yield 1
    finally:
        await checkpoint()
        raise OSError("broken pipe")


@every_way
async def test_a_source_that_fails_to_close(way: str) -> None:
    """Its error leaves `async with`, which leaves the surroundings as they are."""
    async with stream_maker(way) as stream_of:
        with pytest.raises(OSError, match="broken pipe"):
            async with stream_of(_fails_to_close()) as stream:
                assert await anext(stream) == 1
        assert stream.operation.is_running is way.startswith("inside")
        assert stream.operation.context.error == (None if way.startswith("inside") else "OSError: broken pipe")


@every_way
async def test_a_source_that_fails_to_close_after_a_break(way: str, caplog: pytest.LogCaptureFixture) -> None:
    """Where nobody waits for it the error is reported as that of any generator, and harms nobody."""
    loop, seen = current_loop(), list[BaseException]()
    if isinstance(loop, asyncio.AbstractEventLoop):
        loop.set_exception_handler(lambda _, report: seen.append(report["exception"]))
    async with stream_maker(way) as stream_of:
        async for _ in stream_of(_fails_to_close()):
            break
        await settle()
        gc.collect()
    seen += [record.exc_info[1] for record in caplog.records if record.exc_info and record.exc_info[1]]
    (error,) = seen
    assert isinstance(error, OSError)
    if isinstance(loop, asyncio.AbstractEventLoop):
        loop.set_exception_handler(None)


async def test_an_operation_around_a_stream_that_is_dropped() -> None:
    """A stream of the surroundings that is dropped by another task closes there, and ends as completed."""
    source, token = Source(), CancelationToken()
    streams = [cancelable_stream(source(), token=token)]
    operation = streams[0].operation

    async with Cancelable() as outer, anyio.create_task_group() as group:
        async for _ in streams[0]:
            break
        assert operation.parent is outer

        async def drop() -> None:
            streams.clear()

        group.start_soon(drop)
        await settle()
        assert source.log == ["GeneratorExit", "closed"]
        assert operation.is_completed
        assert current_operation() is outer
    assert len(token._listeners) == 0
