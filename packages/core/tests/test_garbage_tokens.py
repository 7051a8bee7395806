"""What tokens and operations that live as long as the process hold of those that have ended: nothing."""

from __future__ import annotations

import gc
import tracemalloc

import anyio
from anyio.lowlevel import checkpoint

from hother.cancelable import Cancelable, CancelationToken


async def _use(token: CancelationToken) -> None:
    async with Cancelable.with_token(token), Cancelable(), Cancelable.with_token(token, timeout=60):
        pass
    CancelationToken().link(token)
    CancelationToken.any_of(token, CancelationToken())
    token.on_cancel(print).unregister()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await token.wait_for_cancel()


async def test_long_lived_token_holds_nothing() -> None:
    """Ten thousand operations, children, links and waits leave no callback on a token, and no memory to speak of."""
    token = CancelationToken()
    for _ in range(8_000):
        await _use(token)
    gc.collect()
    tracemalloc.start()  # makes everything slow, so it sees the last fifth only
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(2_000):
            await _use(token)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert token._listeners == {}
    assert after - before < 100_000 / 5


async def test_long_lived_parent_holds_nothing() -> None:
    """Nor does a parent that runs for ever hold anything of children in other tasks that have ended."""
    parent = Cancelable()

    async def child() -> None:
        async with Cancelable(parent=parent):
            await checkpoint()

    async with parent:
        before = dict(parent.token._listeners)
        for _ in range(100):
            async with anyio.create_task_group() as group:
                for _ in range(10):
                    group.start_soon(child)
        assert parent.token._listeners == before


async def test_cancelled_token_holds_nothing() -> None:
    """A token that was cancelled has let go of all that it has told."""
    token = CancelationToken()
    async with Cancelable.with_token(token, move_on=True) as operation:
        registration = token.on_cancel(lambda _: None)
        linked = CancelationToken.any_of(token)
        await token.cancel()
        await checkpoint()
    assert operation.is_cancelled
    assert linked.is_cancelled
    assert not registration.unregister()
    assert token._listeners == {}
