"""Bodies: what may be streamed, and how sync sources are iterated in worker threads."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar
from typing import Any

import anyio
import pytest

from hother.cancelable import Cancelable, TimeoutCancelation, current_operation
from hother.cancelable.integrations.fastapi import cancelable_streaming_response
from hother.cancelable.integrations.fastapi.chunks import InThreads, Rechunker

from .hand_made import NO_BODY, Channel
from .streams import bodies, run

variable: ContextVar[str] = ContextVar("variable", default="outside")


async def test_sync_sources() -> None:
    """Sync generators and other iterables are streamed as async ones are, and run outside the event loop's thread."""
    threads = set[int]()

    def generate() -> Iterator[str]:
        for item in "abc":
            threads.add(threading.get_ident())
            yield item

    for source in (generate(), ["a", "b", "c"], ("a", "b", "c")):
        channel = Channel(NO_BODY)
        await run(channel, cancelable_streaming_response(source, Cancelable()), True)
        assert bodies(channel) == [b"a", b"b", b"c"]
    assert threads
    assert threading.get_ident() not in threads


async def test_sync_source_is_closed_in_a_thread() -> None:
    """A sync generator that was not used up is closed in a worker thread, and not left to the garbage collector."""
    threads = list[int]()

    def generate() -> Iterator[str]:
        try:
            yield "a"
        finally:
            threads.append(threading.get_ident())

    source = InThreads(generate())
    assert await anext(source) == "a"
    await source.aclose()
    assert len(threads) == 1
    assert threads[0] != threading.get_ident()


async def test_sync_source_keeps_its_context() -> None:
    """All steps of a sync generator, and its end, run in one context, whichever thread runs them."""

    def generate() -> Iterator[str]:
        reset = variable.set("inside")
        try:
            yield variable.get()
            yield variable.get()
        finally:
            variable.reset(reset)

    variable.set("outer")
    channel = Channel(NO_BODY)
    await run(channel, cancelable_streaming_response(generate(), Cancelable()), False)
    assert bodies(channel) == [b"inside", b"inside"]
    source = InThreads(generate())
    await anext(source)
    await source.aclose()
    assert variable.get() == "outer"


async def test_sync_source_can_check() -> None:
    """A sync source that blocks asks whether to stop, and ends for the reason of the operation."""
    closed = list[str]()

    def generate() -> Iterator[str]:
        operation = current_operation()
        assert operation is not None
        try:
            while True:
                operation.check()
                operation.token.wait_sync(0.01)
                yield "x"
        finally:
            closed.append("closed")

    with pytest.raises(TimeoutCancelation):
        await run(Channel(NO_BODY), cancelable_streaming_response(generate(), Cancelable(timeout=0.1)), False)
    assert closed == ["closed"]


@pytest.mark.loops("asyncio", "uvloop", "eager")
async def test_step_in_flight_comes_back_first() -> None:
    """A step that still runs in its thread after a native cancel has come back before the generator is closed."""
    import asyncio

    entered, leave, order = threading.Event(), threading.Event(), list[str]()

    def generate() -> Iterator[str]:
        try:
            entered.set()
            leave.wait(5)
            order.append("step")
            yield "a"
        finally:
            order.append("closed")

    response = cancelable_streaming_response(generate(), Cancelable())
    task = asyncio.create_task(run(Channel(NO_BODY), response, False))
    assert await anyio.to_thread.run_sync(entered.wait, 5)
    task.cancel()
    await anyio.wait_all_tasks_blocked()
    leave.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert order == ["step", "closed"]


async def _items() -> AsyncIterator[str]:
    yield "a"


async def _coroutine() -> list[str]:
    return ["a"]


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: None, "generator must be an async or sync iterable, not None"),
        (lambda: "text", "generator must yield the pieces of the body, not be a whole one, a str: use Response"),
        (lambda: b"bytes", "not be a whole one, a bytes"),
        (lambda: _items, "call the generator function '_items'"),
        (lambda: _coroutine(), "await the coroutine '_coroutine'"),
    ],
)
def test_no_sources(make: Any, text: str) -> None:
    """What cannot be iterated is refused at once, with what to do instead."""
    with pytest.raises(TypeError, match=text):
        cancelable_streaming_response(make())


def test_rechunker() -> None:
    """Pieces come when they are complete, those that were not fetched stay, and the rest is taken out once."""
    rechunker = Rechunker(4)
    rechunker.add(b"abc")
    assert rechunker.piece() is None
    rechunker.add(b"defghi")
    assert rechunker.piece() == b"abcd"
    rechunker.add(b"jkl")
    assert [rechunker.piece(), rechunker.piece(), rechunker.piece()] == [b"efgh", b"ijkl", None]
    rechunker.add(b"m")
    assert [rechunker.rest(), rechunker.rest()] == [b"m", b""]
