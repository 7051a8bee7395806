"""What a stream leaves behind: no cycle that only the garbage collector could find."""

from __future__ import annotations

import gc
import weakref
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from hother.cancelable import Cancelable, CancelationToken, ManualCancelation, TimeoutCancelation, cancelable_stream
from hother.cancelable.core import current_loop
from hother.cancelable.streams import CancelableAsyncIterator

from .shared import count, every, settle

Watch = Callable[[object], None]

OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "limits": {"timeout": 60, "item_timeout": 60},
    "buffered": {"buffer_partial": True, "report_interval": 1, "on_progress": print},
}


@pytest.fixture(autouse=True)
def _without_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


class Tally:
    """Holds weak references."""

    def __init__(self) -> None:
        self._references: list[weakref.ref[Any]] = []

    def watch(self, thing: object) -> None:
        self._references.append(weakref.ref(thing))

    def alive(self) -> list[object]:
        return [reference() for reference in self._references if reference() is not None]


async def _iterate(watch: Watch, how: str, given: Cancelable | None, options: dict[str, Any]) -> None:
    source = count(3)
    watch(source)
    stream = cancelable_stream(source, given, **options)
    watch(stream)
    if stream.operation is not given:
        watch(stream.operation)
        watch(stream.operation.token)
    try:
        if how == "bare break":
            async for _ in stream:
                break
        else:
            await _consume(stream, how)
    except (KeyError, ManualCancelation):
        assert how in ("error", "cancel")


async def _consume(stream: CancelableAsyncIterator[int], how: str) -> None:
    async with stream:
        async for _ in stream:
            if how == "break":
                break
            if how == "error":
                raise KeyError
            if how == "cancel":
                await stream.operation.cancel()


@pytest.mark.parametrize("how", ["end", "break", "bare break", "error", "cancel"])
@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("options", OPTIONS)
async def test_nothing_is_left_of_a_stream(how: str, inside: bool, options: str) -> None:
    """Stream, source, operation and token are gone as soon as nobody holds them."""
    tally = Tally()
    if inside:
        async with Cancelable(move_on=True) as operation:
            await _iterate(tally.watch, how, operation, OPTIONS[options])
        tally.watch(operation)
        del operation
    else:
        await _iterate(tally.watch, how, None, OPTIONS[options])
    await settle()
    assert tally.alive() == []


@pytest.mark.virtual_time
@pytest.mark.parametrize("options", [{"timeout": 5}, {"item_timeout": 2}], ids=str)
async def test_nothing_is_left_after_a_timeout(options: dict[str, float]) -> None:
    """The error of a limit holds what it tells of, and nothing holds the error."""
    tally = Tally()

    async def run() -> None:
        stream = cancelable_stream(every(3), **options)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        tally.watch(stream)
        tally.watch(stream.operation)
        try:
            async for _ in stream:
                pass
        except TimeoutCancelation as error:
            tally.watch(error)

    await run()
    await settle()
    assert tally.alive() == []


async def test_nothing_is_left_on_a_token_that_lives_long() -> None:
    """Streams come and go without a trace on it, however they end."""
    token = CancelationToken()
    for number in range(30):
        async for _ in cancelable_stream(count(3), token=token):
            if number % 3 == 0:
                break
            await checkpoint()
    async with Cancelable() as operation:
        for _ in range(30):
            async with operation.stream(count(3)) as stream:
                assert await anext(stream) == 0
        await settle()
        assert operation.token._facts.get("callbacks") in (None, {}, [])
    await settle()
    assert len(token._listeners) == 0


async def test_items_are_not_held() -> None:
    """An item that the consumer has dropped is gone when the next one has come."""

    class Item:
        pass

    async def items() -> AsyncGenerator[Item, None]:
        for _ in range(5):
            await checkpoint()
            yield Item()

    async with Cancelable() as operation:
        for given, options in ((operation, {}), (operation, OPTIONS["limits"]), (None, {})):
            before: weakref.ref[Item] | None = None
            async for item in cancelable_stream(items(), given, **options):
                assert before is None or before() is None
                before = weakref.ref(item)
                del item


@pytest.mark.loops("trio")
async def test_a_stream_that_outlives_its_loop() -> None:
    """On trio, where a dropped stream is closed by a task of the loop's, one that is dropped later harms nobody."""
    kept = list[object]()

    async def main() -> None:
        stream = cancelable_stream(count(), item_timeout=5)
        assert await anext(stream) == 0
        kept.append(stream)

    await anyio.to_thread.run_sync(lambda: anyio.run(main, backend="trio"))
    kept.clear()
    assert current_loop() is not None
