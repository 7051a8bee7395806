"""The first request to stop is the one that counts."""

from __future__ import annotations

from collections.abc import Callable

import anyio
import pytest
from anyio.lowlevel import checkpoint

from hother.cancelable import Cancelable, CancelationError, CancelationReason, CancelationToken, TimeoutCancelation


async def test_later_requests_change_nothing() -> None:
    """Only the first call wins; reason, message, origin and time of the request stay as it recorded them."""
    operation = Cancelable()

    async def work() -> None:
        async with operation:
            assert await operation.cancel(CancelationReason.SHUTDOWN, "first")
            cause = operation.token.cause
            assert not await operation.cancel("second")
            assert not operation.cancel_sync(CancelationReason.SIGNAL)
            assert not await operation.token.cancel("fourth")
            assert operation.token.cause is cause
            await anyio.sleep_forever()

    with pytest.raises(CancelationError) as caught:
        await work()
    assert (caught.value.reason, caught.value.message) == (CancelationReason.SHUTDOWN, "first")
    assert not await operation.cancel("after the end")
    assert operation.context.cancel_message == "first"


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_first_of_two_tokens_wins(order: tuple[int, int]) -> None:
    """Of two tokens that are cancelled in the same tick the first one gives the reason."""
    tokens = [CancelationToken(), CancelationToken()]
    parts = [Cancelable.with_token(token) for token in tokens]
    operation = parts[0].combine(parts[1])

    async def work() -> None:
        async with operation:
            for index in order:
                assert await tokens[index].cancel(f"token {index}")
            await anyio.sleep_forever()

    with pytest.raises(CancelationError, match=f"token {order[0]}"):
        await work()
    assert operation.context.cancel_message == f"token {order[0]}"


async def test_first_of_racing_tasks_wins() -> None:
    """Of tasks that cancel in the same tick exactly one wins, and it is the one on record."""
    operation, start, winners = Cancelable(move_on=True), anyio.Event(), []

    async def race(name: str) -> None:
        await start.wait()
        if await operation.cancel(name):
            winners.append(name)

    async with anyio.create_task_group() as group:
        for index in range(3):
            group.start_soon(race, f"task {index}")
        await anyio.wait_all_tasks_blocked()
        async with operation:
            start.set()
            await anyio.sleep_forever()
    assert len(winners) == 1
    assert winners == [operation.context.cancel_message]


@pytest.mark.virtual_time
async def test_deadline_and_request_at_the_same_instant_agree() -> None:
    """Whichever of a deadline and a request of the same instant comes first, caller and record tell the same."""
    operation = Cancelable.with_timeout(1)
    won = None

    async def cancel() -> None:
        nonlocal won
        await anyio.sleep(1)
        won = await operation.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(cancel)
        with pytest.raises(CancelationError) as caught:
            async with operation:
                await anyio.sleep_forever()
    assert won is not None
    assert caught.value.reason is (CancelationReason.MANUAL if won else CancelationReason.TIMEOUT)
    assert operation.context.cancel_reason is caught.value.reason


def _of_operation(operation: Cancelable) -> bool:
    return operation.cancel_sync("late")


def _of_token(operation: Cancelable) -> bool:
    return operation.token.cancel_sync("late")


@pytest.mark.virtual_time
@pytest.mark.parametrize("cancel", [_of_operation, _of_token])
async def test_deadline_that_has_passed_beats_a_later_request(cancel: Callable[[Cancelable], bool]) -> None:
    """A deadline counts from when it passes, also while the body is shielded from it, so later requests lose."""
    operation = Cancelable.with_timeout(1)

    async def work() -> None:
        async with operation:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(2)
            assert not cancel(operation)
            await checkpoint()

    with pytest.raises(TimeoutCancelation):
        await work()
    assert operation.token.reason is CancelationReason.TIMEOUT


@pytest.mark.virtual_time
async def test_request_before_the_deadline_beats_it() -> None:
    """A request that is still being honoured when the deadline passes stays the reason."""
    operation = Cancelable.with_timeout(1)

    async def work() -> None:
        async with operation:
            await operation.cancel("early")
            with anyio.CancelScope(shield=True):
                await anyio.sleep(2)
            await checkpoint()

    with pytest.raises(CancelationError, match="early"):
        await work()
    assert operation.context.cancel_reason is CancelationReason.MANUAL


@pytest.mark.virtual_time
async def test_request_is_dated_when_it_is_made() -> None:
    """The record of a request holds the loop's time of the call, however long the body takes to stop."""
    operation = Cancelable()

    async def work() -> None:
        async with operation:
            await anyio.sleep(3)
            await operation.cancel()
            with anyio.CancelScope(shield=True):
                await anyio.sleep(5)
            await checkpoint()

    start = anyio.current_time()
    with pytest.raises(CancelationError):
        await work()
    assert operation.token.cause is not None
    assert operation.token.cause.time - start == pytest.approx(3)
