"""The bodies of streams: what may be streamed, how it becomes bytes, and in pieces of which size."""

from __future__ import annotations

import inspect
import threading
from collections.abc import AsyncIterable, Callable, Iterable, Iterator
from contextvars import Context, copy_context
from typing import Any, Final, Self

import anyio
from anyio import to_thread

_END: Final = object()


def as_async(items: object) -> AsyncIterable[Any]:
    """Return what can be iterated on the event loop; what is sync is iterated in worker threads.

    Raises:
        TypeError: If it is nothing to iterate; says what to do.
    """
    if isinstance(items, AsyncIterable):
        return items  # pyright: ignore[reportUnknownVariableType]
    if inspect.iscoroutine(items):
        items.close()
        raise TypeError(f"generator must be iterable: await the coroutine {items.__name__!r} for what it returns")
    if inspect.isasyncgenfunction(items) or inspect.isgeneratorfunction(items):
        raise TypeError(f"generator must be iterable: call the generator function {items.__name__!r}")
    if isinstance(items, (str, bytes, bytearray)):
        kind = type(items).__name__
        raise TypeError(f"generator must yield the pieces of the body, not be a whole one, a {kind}: use Response")
    if isinstance(items, Iterable):
        return InThreads(items)  # pyright: ignore[reportUnknownArgumentType]
    raise TypeError(f"generator must be an async or sync iterable, not {items!r}")


class InThreads:
    """Iterates a sync iterable in worker threads, one step at a time, and always in the same context.

    Args:
        items: What to iterate.
    """

    def __init__(self, items: Iterable[object]) -> None:
        self._iterator: Iterator[object] = iter(items)
        self._context: Context | None = None
        self._lock = threading.Lock()  # asyncio's `Task.cancel` leaves a thread behind that still runs

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> object:
        item = await to_thread.run_sync(self._run, lambda: next(self._iterator, _END))
        if item is _END:
            raise StopAsyncIteration
        return item

    async def aclose(self) -> None:
        """Close the iterator, if it can be closed, when the step that runs has come back."""
        close: Callable[[], object] | None = getattr(self._iterator, "close", None)
        if close is not None:
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(self._run, close)

    def _run(self, step: Callable[[], object]) -> object:
        with self._lock:
            if self._context is None:
                self._context = copy_context()
            return self._context.run(step)


def encoded(item: object, charset: str) -> bytes:
    """Return an item of a body as bytes.

    Raises:
        TypeError: If it is neither text nor bytes.
    """
    if isinstance(item, str):
        return item.encode(charset)
    if isinstance(item, bytes):
        return item
    if isinstance(item, memoryview):
        return item.tobytes()
    raise TypeError(f"a stream yields str, bytes or memoryview, not {type(item).__name__}: encode {item!r} first")


def require_chunk_size(size: object) -> int:
    """Return the size of the pieces, in bytes.

    Raises:
        TypeError: If it is no whole number.
        ValueError: If it is not positive.
    """
    if not isinstance(size, int) or isinstance(size, bool):
        raise TypeError(f"chunk_size must be a whole number of bytes, not {size!r}")
    if size < 1:
        raise ValueError(
            f"chunk_size must be at least 1 byte, not {size!r}; leave it out to send the items as they are"
        )
    return size


class Rechunker:
    """Cuts a body into pieces of one size, whatever the sizes of its items.

    Args:
        size: The size of every piece but the last one, in bytes.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._waiting = bytearray()

    def add(self, data: bytes) -> None:
        """Take in some more of the body."""
        self._waiting += data

    def piece(self) -> bytes | None:
        """Take out the next piece that is complete, if there is one."""
        if len(self._waiting) < self._size:
            return None
        piece = bytes(self._waiting[: self._size])
        del self._waiting[: self._size]
        return piece

    def rest(self) -> bytes:
        """Take out what is left at the end, which may be nothing."""
        rest = bytes(self._waiting)
        self._waiting.clear()
        return rest
