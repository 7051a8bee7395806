"""Streams whose source does not stop when it is told to."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Iterator

import anyio
import pytest

from hother.cancelable import ManualCancelation, set_stuck_after

from .shared import every_way, stream_maker


@pytest.fixture
def _stuck_after_30() -> Iterator[None]:
    set_stuck_after(30)
    yield
    set_stuck_after(None)


@pytest.mark.virtual_time
@pytest.mark.usefixtures("_stuck_after_30")
@every_way
async def test_a_source_that_swallows_cancellation_is_reported(way: str, caplog: pytest.LogCaptureFixture) -> None:
    """The report names the operation and the line where the source sits; the stream ends when it comes back."""

    async def stubborn() -> AsyncGenerator[int, None]:
        yield 1
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True):
                await anyio.sleep(100)
        yield 2

    items = list[int]()
    async with anyio.create_task_group() as group:
        with pytest.raises(ManualCancelation, match="enough"):
            async with stream_maker(way) as stream_of:
                stream = stream_of(stubborn())

                async def cancel() -> None:
                    await anyio.wait_all_tasks_blocked()
                    await stream.operation.cancel("enough")

                group.start_soon(cancel)
                async for number in stream:
                    items.append(number)
    assert items == [1, 2]  # it was received, so it is not lost
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    report = record.getMessage()
    assert "still runs 30 s after it was told to stop (manual: enough)" in report
    assert __file__ in report
    assert "stubborn" in report
