"""A token that serves as many operations as a process ever has, of all kinds, in memory that stays flat."""

from __future__ import annotations

import gc
import sys

import anyio
from anyio.lowlevel import checkpoint

from hother.cancelable import Cancelable, CancelationToken


async def _rounds(token: CancelationToken, number: int) -> None:
    """Run so many operations on a token, three a round: one with a child, one cancelled, one with a deadline."""
    for _ in range(number // 3):
        async with Cancelable.with_token(token), Cancelable():
            pass
        async with Cancelable.with_token(token, move_on=True) as operation:
            await operation.cancel("enough")
            await checkpoint()
        async with Cancelable.with_token(token, timeout=60):
            await checkpoint()


async def test_a_million_operations_on_one_token(nightly: bool) -> None:
    """However many operations a token has served, it holds as little as after the first thousand."""
    number = 1_000_000 if nightly else 20_000
    token = CancelationToken()
    await _rounds(token, 2_000)
    gc.collect()
    before = sys.getallocatedblocks()
    await _rounds(token, number)
    gc.collect()
    assert sys.getallocatedblocks() - before < 1000  # of 20,000 or more, were one left by each
    assert not token._listeners
    with anyio.fail_after(20):
        async with Cancelable.with_token(token, move_on=True) as operation:
            await token.cancel("the end")
            await anyio.sleep(60)
    assert operation.is_cancelled
