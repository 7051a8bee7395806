"""Operations that were told to stop and do not are shown."""

from __future__ import annotations

from collections.abc import Iterator

import anyio
import pytest

from hother.cancelable import set_stuck_after
from hother.cancelable.registry import EventKind, OperationRegistry

from .shared import listed, work


@pytest.fixture(autouse=True)
def report_after_three_seconds() -> Iterator[None]:
    """Report operations that do not stop within 3 s."""
    set_stuck_after(3)
    yield
    set_stuck_after(None)


@pytest.mark.virtual_time
async def test_a_stuck_operation_is_shown() -> None:
    """The record of an operation that does not stop says where it sits, and the feed tells it once."""
    registry, operation = OperationRegistry(), work("job")
    feed = registry.events()
    await listed(registry, operation)
    async with operation:
        await registry.cancel(operation.operation_id, message="stop")
        with anyio.CancelScope(shield=True):
            await anyio.sleep(2)
            assert (await registry.list_operations())[0].stuck is None
            await anyio.sleep(9)
        [record] = await registry.list_operations(cancelling=True)
        assert record.stuck is not None
        assert "operation 'job' still runs 3 s after it was told to stop (manual: stop)" in record.stuck
        assert "test_a_stuck_operation_is_shown" in record.stuck
    kinds = [(await anext(feed)).kind for _ in range(5)]
    assert kinds == ["started", "cancel_requested", "cancel_delivered", "stuck", "finished"]
    assert (await registry.get_history())[0].stuck == record.stuck


@pytest.mark.virtual_time
async def test_one_that_stops_in_time_is_not_stuck() -> None:
    """An operation that takes two seconds to stop is not reported."""
    registry, operation = OperationRegistry(), work()
    feed = registry.events()
    await listed(registry, operation)
    async with operation:
        await operation.cancel()
        with anyio.CancelScope(shield=True):
            await anyio.sleep(2)
        await anyio.sleep_forever()
    assert (await registry.get_history())[0].stuck is None
    assert EventKind.STUCK not in [(await anext(feed)).kind for _ in range(4)]
