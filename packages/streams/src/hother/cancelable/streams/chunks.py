"""Streams in chunks: full ones, and smaller ones where the source is slow."""

from __future__ import annotations

from collections.abc import AsyncIterable
from datetime import timedelta
from typing import TypeVar

from hother.cancelable import Cancelable
from hother.cancelable.core import positive_seconds

from .collecting import Collector, TimedCollector
from .iterating import require_stream
from .settings import Settings, positive_count
from .stream import CancelableAsyncIterator

T = TypeVar("T")


def chunked_cancelable_stream(
    stream: AsyncIterable[T],
    size: int,
    cancelable: Cancelable | None = None,
    max_wait: float | timedelta | None = None,
) -> ChunkedStream[T]:
    """Iterate a stream in lists of items, so that it can be stopped as with `cancelable_stream`.

    Nothing is lost: what came before the end of the source, or before an error of it, is handed out as a smaller chunk
    first; what was collected for a chunk when the stream was cancelled is in `rest`.

    For limits, a token or a gate give it a `cancelable_stream`. Its own `partial` counts chunks.

    Args:
        stream: What `async for` takes.
        size: How many items a full chunk has.
        cancelable: See `cancelable_stream`.
        max_wait: How long the first item of a chunk may wait for the others, in seconds or as a `timedelta`. Then the
            chunk is handed out as it is. The source runs in a task of its own then.

    Raises:
        TypeError: If this is no async stream, or an argument has the wrong type.
        ValueError: If the size or the time is not positive.

    Example:
        ```python
        import anyio

        from hother.cancelable.streams import StreamConfig, chunked_cancelable_stream, simulate_stream


        async def main() -> None:
            letters = simulate_stream("abcde", StreamConfig(chunk_size=1))
            async for chunk in chunked_cancelable_stream(letters, 2):
                print(chunk)
                #> ['a', 'b']
                #> ['c', 'd']
                #> ['e']


        anyio.run(main)
        ```
    """
    positive_count(size, "size")
    require_stream(stream)
    if max_wait is None:
        return ChunkedStream(Collector(stream, size), cancelable)
    return ChunkedStream(TimedCollector(stream, size, positive_seconds(max_wait, "max_wait")), cancelable)


class ChunkedStream(CancelableAsyncIterator[list[T]]):
    """A stream in chunks, as `chunked_cancelable_stream` makes it."""

    def __init__(self, collector: Collector[T], cancelable: Cancelable | None) -> None:
        super().__init__(collector, cancelable, Settings())
        self._collector = collector

    @property
    def rest(self) -> list[T]:
        """What was collected for a chunk that is not handed out yet."""
        return list(self._collector.collected)
