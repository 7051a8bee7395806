"""Many operations inside each other: what ends them is found once, and handed up."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import anyio
import pytest

from hother.cancelable import Cancelable, CancelationReason, CancelationToken, Cause, ParentCancelation

DEPTH = 100


async def nested(outermost: Cancelable, depth: int) -> list[Cancelable]:
    """Enter operations inside each other, cancel the outermost one, and return the others."""
    inner: list[Cancelable] = []
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(outermost)
        inner = [await stack.enter_async_context(Cancelable()) for _ in range(depth)]
        await outermost.cancel()
        await anyio.sleep_forever()
    return inner


async def test_each_of_many_ends_with_the_outermost() -> None:
    """Every operation between the innermost and the cancelled one names that one as its cause."""
    outermost = Cancelable(name="outermost", move_on=True)
    for each in await nested(outermost, DEPTH):
        assert each.context.cancel_reason is CancelationReason.PARENT
        assert each.context.cause is outermost.context


async def test_the_cancelled_one_is_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaving n operations asks each of them a few times for its cause, and not each time all that are above."""
    asked: list[CancelationToken] = []
    cause: Any = CancelationToken.__dict__["cause"]

    def counted(token: CancelationToken) -> Cause | None:
        asked.append(token)
        found: Cause | None = cause.fget(token)
        return found

    monkeypatch.setattr(CancelationToken, "cause", property(counted))
    await nested(Cancelable(move_on=True), DEPTH)
    assert len(asked) < 10 * DEPTH


async def test_what_ends_a_child_elsewhere_is_not_handed_to_a_shielded_parent() -> None:
    """A parent in a shield is not ended by what ends its child, which runs in a group outside of the shield."""
    ended = anyio.Event()

    async def child() -> None:
        try:
            async with Cancelable():
                await anyio.sleep_forever()
        finally:
            ended.set()

    async with Cancelable(move_on=True) as outer, anyio.create_task_group() as group:
        with anyio.CancelScope(shield=True), anyio.CancelScope() as native:
            async with Cancelable() as parent:
                group.start_soon(child)
                await anyio.wait_all_tasks_blocked()
                await outer.cancel()
                await ended.wait()
                native.cancel()
                await anyio.sleep_forever()
        assert parent.context.cancel_reason is CancelationReason.EXTERNAL


async def test_an_operation_may_go_on_after_one_inside_it_was_ended_from_above() -> None:
    """A parent that catches what a child outside its scope was left with ends by its own fate."""
    async with Cancelable() as above:
        child = Cancelable()
        async with anyio.create_task_group() as group, Cancelable() as between:

            async def run() -> None:
                with pytest.raises(ParentCancelation):
                    async with child:
                        await anyio.sleep_forever()

            group.start_soon(run)
            await anyio.wait_all_tasks_blocked()
            await between.cancel()
            with anyio.CancelScope(shield=True):
                await anyio.wait_all_tasks_blocked()
            assert child.is_cancelled
    assert above.is_completed
    assert between.is_completed
