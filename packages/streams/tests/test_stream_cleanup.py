"""The clean-up of a source, which may wait: how long, and whether a cancellation gets in its way."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import anyio
import pytest

from hother.cancelable import CancelationToken, ManualCancelation, cancelable_stream
from hother.cancelable.streams.iterating import CLOSE_TIMEOUT

from .shared import Source, every, every_way, stream_maker

pytestmark = pytest.mark.virtual_time


@every_way
async def test_a_clean_up_that_takes_long(way: str) -> None:
    """Where nothing was cancelled it may take its time, at the end as after a `break`."""
    async with stream_maker(way) as stream_of:
        source = Source(2, cleanup=60)
        assert [number async for number in stream_of(source())] == [0, 1]
        assert source.log == ["end", "closed"]
        source = Source(2, cleanup=60)
        async with stream_of(source()) as stream:
            async for _ in stream:
                break
        assert source.log == ["GeneratorExit", "closed"]


@pytest.mark.parametrize(("cleanup", "log"), [(4.0, ["GeneratorExit", "closed"]), (60.0, ["GeneratorExit"])])
@every_way
async def test_a_clean_up_after_a_cancel_between_items(way: str, cleanup: float, log: list[str]) -> None:
    """It is protected from the cancellation for so long, and cut off then."""
    source, since = Source(cleanup=cleanup), anyio.current_time()
    with pytest.raises(ManualCancelation, match="enough"):
        async with stream_maker(way) as stream_of, stream_of(source()) as stream:
            async for number in stream:
                assert number < 2
                if number == 1:
                    await stream.operation.cancel("enough")
    assert source.log == log
    assert anyio.current_time() - since == pytest.approx(min(cleanup, CLOSE_TIMEOUT))
    assert stream.operation.is_cancelled


@pytest.mark.parametrize(("cleanup", "log"), [(4.0, ["GeneratorExit", "closed"]), (60.0, ["GeneratorExit"])])
@every_way
async def test_a_clean_up_in_a_scope_that_was_cancelled(way: str, cleanup: float, log: list[str]) -> None:
    """The same goes for a cancellation of the surroundings while the consumer has an item."""
    source, since = Source(cleanup=cleanup), anyio.current_time()
    with anyio.CancelScope() as scope:
        async with stream_maker(way) as stream_of, stream_of(source()) as stream:
            async for _ in stream:
                scope.cancel()
                await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert source.log == log
    assert anyio.current_time() - since == pytest.approx(min(cleanup, CLOSE_TIMEOUT))


async def test_a_break_out_of_a_stream_that_was_told_to_stop() -> None:
    """Its clean-up is protected, and the stream has not been interrupted."""
    source = Source(cleanup=4)
    async with cancelable_stream(source(), item_timeout=3) as stream:
        async for _ in stream:
            stream.operation.cancel_sync()
            break
    assert source.log == ["GeneratorExit", "closed"]
    assert stream.operation.is_completed
    assert stream.operation.cancel_requested


async def test_a_clean_up_that_hangs_after_a_token_was_cancelled() -> None:
    """It cannot keep the reason from arriving."""
    token = CancelationToken()

    async def source() -> AsyncGenerator[int, None]:
        try:
            yield 1
        finally:
            await anyio.sleep_forever()

    with anyio.fail_after(CLOSE_TIMEOUT + 1), pytest.raises(ManualCancelation):
        async for _ in cancelable_stream(source(), token=token):
            token.cancel_sync()


@every_way
async def test_a_cancel_during_a_clean_up(way: str) -> None:
    """A clean-up that nothing had cancelled at its start is work like any other, and can be interrupted."""
    source = Source(cleanup=60)
    with anyio.move_on_after(3) as scope:
        async with stream_maker(way) as stream_of, stream_of(source()) as stream:
            async for _ in stream:
                break
    assert scope.cancelled_caught
    assert source.log == ["GeneratorExit"]


@every_way
async def test_a_clean_up_while_an_item_is_waited_for(way: str) -> None:
    """A source that is interrupted itself cleans up as any code that is cancelled: it has to shield what waits."""
    log = list[str]()

    async def source() -> AsyncGenerator[int, None]:
        try:
            yield 1
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(1)
            log.append("shielded")
            await anyio.sleep(1)
            log.append("not shielded")

    async with anyio.create_task_group() as group:
        with pytest.raises(ManualCancelation):
            async with stream_maker(way) as stream_of, stream_of(source()) as stream:

                async def cancel() -> None:
                    await anyio.wait_all_tasks_blocked()
                    await stream.operation.cancel()

                group.start_soon(cancel)
                async for _ in stream:
                    pass
    assert log == ["shielded"]


async def test_the_limit_of_an_error() -> None:
    """An error of the consumer's does not cut a clean-up off."""
    source = Source(cleanup=60)
    with pytest.raises(KeyError):
        async with cancelable_stream(source(), timeout=5) as stream:
            async for _ in stream:
                raise KeyError
    assert source.log == ["GeneratorExit", "closed"]
    assert [number async for number in cancelable_stream(every(1, 2), timeout=5)] == [0, 1]
