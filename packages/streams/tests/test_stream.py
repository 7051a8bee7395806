"""Iterating a stream to its end, and what counts as a stream."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

import hother.cancelable
from hother.cancelable import Cancelable, cancelable_stream, current_operation
from hother.cancelable.streams import CancelableAsyncIterator
from hother.cancelable.streams import cancelable_stream as from_package

from .shared import Source, count, count_at_once, every_way, stream_maker


class Numbers:
    """An iterator of its own, which can be closed and counts how often it was."""

    def __init__(self, to: int) -> None:
        self.closed = 0
        self._left = iter(range(to))

    def __aiter__(self) -> AsyncIterator[int]:
        return self

    async def __anext__(self) -> int:
        await checkpoint()
        for number in self._left:
            return number
        raise StopAsyncIteration

    async def aclose(self) -> None:
        await checkpoint()
        self.closed += 1


class BareNumbers:
    """What `async for` takes at least: an iterable whose iterator has a `__anext__` and nothing more."""

    class _Iterator:
        def __init__(self) -> None:
            self._left = iter(range(3))

        async def __anext__(self) -> int:
            await checkpoint()
            for number in self._left:
                return number
            raise StopAsyncIteration

    def __aiter__(self) -> Any:
        return self._Iterator()


class GeneratingNumbers:
    """An iterable whose `__aiter__` is an async generator."""

    async def __aiter__(self) -> AsyncIterator[int]:
        for number in range(3):
            await checkpoint()
            yield number


@every_way
@pytest.mark.parametrize(
    "make",
    [partial(count, 3), partial(count_at_once, 3), BareNumbers, GeneratingNumbers],
    ids=["waiting", "at once", "bare", "generating"],
)
async def test_every_item_arrives(way: str, make: Callable[[], Any]) -> None:
    """A stream gives what its source gives, in order, and ends with it; iterated again it is still at its end."""
    async with stream_maker(way) as stream_of:
        stream = stream_of(make())
        assert [number async for number in stream] == [0, 1, 2]
        assert [number async for number in stream] == []
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
        assert (stream.partial.count, stream.partial.completed) == (3, True)
    assert stream.operation.is_completed
    assert current_operation() is None


@every_way
async def test_items_by_hand(way: str) -> None:
    """`anext` gives one item at a time, also as an argument of its own."""
    source = Source(3)
    async with stream_maker(way) as stream_of:
        async with stream_of(source()) as stream:
            assert [await anext(stream), await anext(stream)] == [0, 1]
            assert source.log == []
        assert source.log == ["GeneratorExit", "closed"]
        assert await anext(stream_of(count()), None) == 0
        assert await anext(stream, "none") == "none"


async def test_the_first_item_of_a_stream_that_nobody_keeps(caplog: pytest.LogCaptureFixture) -> None:
    """A stream that is only held by its own `anext` waits for the item all the same, and is closed after it."""
    source = Source()
    async with anyio.create_task_group() as group:

        async def release() -> None:
            await source.asked.wait()
            await anyio.wait_all_tasks_blocked()
            source.release.set()

        group.start_soon(release)
        assert await anext(cancelable_stream(source(hold_at=0))) == 0
    for _ in range(5):
        await checkpoint()
    await anyio.wait_all_tasks_blocked()
    assert source.log == ["GeneratorExit", "closed"]
    assert caplog.records == []


@every_way
async def test_an_iterator_with_a_close_of_its_own(way: str) -> None:
    """It is closed once: after its end, after a `break`, and where it was asked for no item."""
    async with stream_maker(way) as stream_of:
        numbers = Numbers(3)
        async with stream_of(numbers) as stream:
            assert [number async for number in stream] == [0, 1, 2]
        assert numbers.closed == 1
    async with stream_maker(way) as stream_of:
        numbers = Numbers(3)
        async with stream_of(numbers) as stream:
            async for _ in stream:
                break
        assert numbers.closed == 1
    async with stream_maker(way) as stream_of:
        numbers = Numbers(3)
        async with stream_of(numbers):
            pass
        assert numbers.closed == 1
    async with stream_maker(way) as stream_of:
        numbers = Numbers(3)
        stream = stream_of(numbers)
        aiter(stream)
        for _ in range(2):
            await stream.aclose()
        assert numbers.closed == 1
        assert [number async for number in stream] == []


@every_way
async def test_a_memory_stream_stays_open(way: str) -> None:
    """A receive stream of anyio belongs to those who opened it: after a `break` the rest can still be received."""
    send, receive = anyio.create_memory_object_stream[int](10)
    async with send, receive:
        for number in range(5):
            send.send_nowait(number)
        async with stream_maker(way) as stream_of:
            async with stream_of(receive) as stream:
                async for number in stream:
                    if number == 2:
                        break
            assert [await receive.receive(), receive.receive_nowait()] == [3, 4]


@every_way
async def test_a_memory_stream_that_ends(way: str) -> None:
    """The end of the sender is the end of the stream."""
    send, receive = anyio.create_memory_object_stream[int](10)
    async with receive:
        async with send:
            send.send_nowait(7)
        async with stream_maker(way) as stream_of:
            assert [number async for number in stream_of(receive)] == [7]


async def test_bytes_from_a_socket() -> None:
    """A byte stream of anyio is a stream of its pieces, and stays open, too."""
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as group:

        async def serve(client: anyio.abc.SocketStream) -> None:
            async with client:
                await client.send(b"one")
                assert await client.receive() == b"go on"
                await client.send(b"two")

        group.start_soon(listener.serve, serve)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        async with await anyio.connect_tcp("127.0.0.1", port) as client:
            async for piece in cancelable_stream(client, item_timeout=20):
                assert piece == b"one"
                break
            await client.send(b"go on")
            assert [piece async for piece in cancelable_stream(client, item_timeout=20)] == [b"two"]
        group.cancel_scope.cancel()


@pytest.mark.parametrize(
    "sync",
    [[1], (1,), "text", range(3), {1: 2}, iter([1]), io.BytesIO(b"x")],
    ids=["list", "tuple", "str", "range", "dict", "iterator", "file"],
)
def test_a_sync_iterable_is_refused(sync: Any) -> None:
    """The error says how to fetch items that would block the event loop."""
    with pytest.raises(TypeError, match=r"sync iterable.*Cancelable\.run_in_thread.*anyio\.to_thread\.run_sync"):
        cancelable_stream(sync)


async def _response() -> AsyncIterator[int]:
    return count(3)


class Reply:
    """Something to be awaited that is iterable, too, as futures are."""

    def __await__(self) -> Any:
        yield

    __iter__ = __await__


def _named() -> None:
    """Do nothing."""


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (_response, r"await the coroutine '_response' first"),
        (Reply, r"await <.*Reply.*> first"),
        (lambda: count, r"call 'count': an async generator function makes a stream"),
        (lambda: _named, r"a stream is something for `async for`, not <function _named"),
        (lambda: _response, r"a stream is something for `async for`, not <function _response"),
        (lambda: None, r"a stream is something for `async for`, not None"),
        (lambda: 5, r"a stream is something for `async for`, not 5"),
        (lambda: Numbers, r"a stream is something for `async for`, not <class"),
    ],
    ids=["coroutine", "awaitable", "generator function", "function", "coroutine function", "None", "number", "class"],
)
def test_what_is_no_stream_is_refused(wrong: Callable[[], Any], text: str) -> None:
    """Where a call or an `await` is missing the error says so; a coroutine is closed, so that it does not warn."""
    with pytest.raises(TypeError, match=text):
        cancelable_stream(wrong())
    with pytest.raises(TypeError, match=text):
        Cancelable().stream(wrong())


async def test_the_ways_to_the_function() -> None:
    """It is at the top, in the package, and a method of operations, which passes its options on."""
    assert hother.cancelable.cancelable_stream is from_package
    operation = Cancelable(name="given")
    stream = operation.stream(count(3), buffer_partial=True, buffer_limit=2)
    assert isinstance(stream, CancelableAsyncIterator)
    assert stream.operation is operation
    assert [number async for number in stream] == [0, 1, 2]
    assert stream.partial.buffer == [1, 2]
    assert operation.is_completed
    with pytest.raises(TypeError, match="speed"):
        operation.stream(count(3), speed=2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    with pytest.raises(TypeError, match="cancelable must be a Cancelable, not 5"):
        cancelable_stream(count(3), 5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def test_an_error_of_the_source() -> None:
    """It passes through unchanged, the operation has failed, and the stream is at its end."""
    error = OSError("gone")

    async def broken() -> AsyncIterator[int]:
        yield 1
        raise error

    stream = cancelable_stream(broken())
    with pytest.raises(OSError, match="gone") as caught:
        _ = [number async for number in stream]
    assert caught.value is error
    assert stream.operation.context.error == "OSError: gone"
    assert (stream.partial.count, stream.partial.completed) == (1, False)
    assert [number async for number in stream] == []
