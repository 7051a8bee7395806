"""Leaving chunks: the task beside the consumer is gone, and the source closed where it ran."""

from __future__ import annotations

import gc
import weakref
from collections.abc import AsyncGenerator
from contextvars import ContextVar

import anyio
import anyio.lowlevel
import pytest

from hother.cancelable import current_operation
from hother.cancelable.streams import ChunkedStream, chunked_cancelable_stream

from .pacing import has_task_beside, paced

variable: ContextVar[str] = ContextVar("variable", default="outside")


@pytest.mark.parametrize("how", ["break", "error", "aclose"])
async def test_leaving_closes_the_source(how: str) -> None:
    """After `break`, an error of the body and `aclose` the task has ended and the source is closed."""
    log: list[str] = []
    source = paced((0, 1), (0, 2), (3600, 3), log=log)
    try:
        async with chunked_cancelable_stream(source, 2, max_wait=60) as stream:
            async for chunk in stream:
                assert chunk == [1, 2]
                if how == "break":
                    break
                if how == "error":
                    raise KeyError(how)
                await stream.aclose()
                assert log == ["closed"]
    except KeyError:
        assert how == "error"
    assert log == ["closed"]
    assert not has_task_beside()
    assert current_operation() is None


async def test_a_bare_break_closes_the_source() -> None:
    """Without a context manager a `break` ends the task and closes the source soon."""
    log: list[str] = []
    async for chunk in chunked_cancelable_stream(paced((0, 1), (3600, 2), log=log), 1, max_wait=60):
        assert chunk == [1]
        break
    gc.collect()
    while not log or has_task_beside():
        await anyio.lowlevel.checkpoint()
    assert log == ["closed"]


async def test_the_source_is_closed_where_it_was_iterated() -> None:
    """A source that sets a context variable across its items may reset it: it is closed in the task that ran it."""
    seen: list[tuple[str, int]] = []

    def note() -> None:
        seen.append((variable.get(), anyio.get_current_task().id))

    async def source() -> AsyncGenerator[int, None]:
        note()
        before = variable.set("inside")
        try:
            yield 1
            note()
            yield 2
        finally:
            variable.reset(before)
            note()

    async with chunked_cancelable_stream(source(), 1, max_wait=60) as stream:
        assert await anext(stream) == [1]
        assert variable.get() == "outside"
        await anyio.wait_all_tasks_blocked()
    assert [value for value, _ in seen] == ["outside", "inside", "outside"]
    assert len({task for _, task in seen}) == 1


@pytest.mark.parametrize("max_wait", [None, 60.0])
async def test_an_error_of_the_clean_up(max_wait: float | None) -> None:
    """An error in the source's clean-up arrives where the stream is closed."""

    async def source() -> AsyncGenerator[int, None]:
        try:
            yield 1
            await anyio.sleep_forever()
        finally:
            raise OSError("cannot close")

    stream = chunked_cancelable_stream(source(), 1, max_wait=max_wait)
    assert await anext(stream) == [1]
    with pytest.raises(OSError, match="cannot close"):
        await stream.aclose()
    assert not has_task_beside()


@pytest.mark.parametrize("max_wait", [None, 60.0])
async def test_nothing_refers_to_itself(max_wait: float | None) -> None:
    """A stream that has ended, or failed, is freed without the garbage collector."""

    async def breaking() -> AsyncGenerator[int, None]:
        yield 1
        raise OSError

    gc.collect()
    gc.disable()
    try:
        for source in (paced((0, 1)), breaking()):
            stream = chunked_cancelable_stream(source, 2, max_wait=max_wait)
            collector = weakref.ref(stream._collector)
            try:
                async with stream:
                    async for _ in stream:
                        pass
            except OSError:
                pass
            del stream, source
            await anyio.lowlevel.checkpoint()
            await anyio.lowlevel.checkpoint()
            assert collector() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_stream_that_is_left_at_the_end_of_the_loop(backend: str) -> None:
    """A program that ends with an open stream ends all the same, and the source is closed."""
    log: list[str] = []
    kept: list[ChunkedStream[int]] = []

    async def main() -> None:
        kept.append(chunked_cancelable_stream(paced((0, 1), (3600, 2), log=log), 1, max_wait=60))
        assert await anext(kept[0]) == [1]

    anyio.run(main, backend=backend)
    assert log == ["closed"]
