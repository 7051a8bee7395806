"""Items that race with timeouts and cancels: each is received once, in order, or still queued."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from hother.cancelable import Cancelable, CancelationToken, ManualCancelation, TimeoutCancelation, cancelable_stream
from hother.cancelable.core import current_loop
from hother.cancelable.streams import chunked_cancelable_stream


def let_pass(seconds: float) -> None:
    """Let time pass, on a virtual clock or a real one, while nothing else runs on the loop."""
    loop: Any = current_loop()
    clock: Any = getattr(loop, "_virtual", None)
    if not isinstance(loop, asyncio.AbstractEventLoop):
        import trio

        clock = trio.lowlevel.current_clock() if hasattr(trio.lowlevel.current_clock(), "jump") else None
    if clock is None:
        time.sleep(seconds)
    elif hasattr(clock, "jump"):
        clock.jump(seconds)
    else:
        clock.now += seconds


class Race:
    """A sender and a receiver with a tick of their own, on which delays and timeouts often end together."""

    def __init__(self, seed: int, capacity: int, tick: float) -> None:
        self.dice = random.Random(seed)
        self.tick = tick
        self.received: list[int] = []
        self.sent = 0
        self.interrupted = 0
        self.over = False
        streams: tuple[MemoryObjectSendStream[int], MemoryObjectReceiveStream[int]]
        streams = anyio.create_memory_object_stream[int](capacity)
        self.send, self.receive = streams

    def delay(self) -> float:
        """Return some seconds: a few whole ticks, or a bit more or less."""
        ticks = self.dice.choice([1, 1, 2, 3])
        return self.tick * ticks * self.dice.choice([1, 1, 1, self.dice.uniform(0.9, 1.1)])

    async def run(self, rounds: int) -> None:
        """Send while there are rounds, then take what is left, and compare."""
        ways = [self.item_timeout, self.timeout, self.scope, self.inside, self.buffered, self.token, self.chunks]
        with self.send, self.receive:
            async with anyio.create_task_group() as group:
                group.start_soon(self.sender)
                for _ in range(rounds):
                    await self.round(self.dice.choice(ways))
                self.over = True
                with self.receive.clone() as rest:
                    async for item in rest:
                        self.received.append(item)
        assert self.received == list(range(self.sent))

    async def sender(self) -> None:
        """Send numbers at times."""
        with self.send:
            while not self.over:
                if self.dice.random() < 0.9:
                    await anyio.sleep(self.delay())
                try:
                    self.send.send_nowait(self.sent)
                except anyio.WouldBlock:
                    await self.send.send(self.sent)
                self.sent += 1
                if self.dice.random() < 0.3:  # then a deadline passes between an item and who waits for it
                    let_pass(self.delay() / 2)

    async def round(self, way: Callable[[], Awaitable[None]]) -> None:
        """Receive for a while, and see that nothing is missing and nothing came twice."""
        before = len(self.received)
        await way()
        now = len(self.received)
        assert self.received[before:] == list(range(before, now))
        under_way = now + self.receive.statistics().current_buffer_used - self.sent
        assert under_way in {0, 1}  # 1: the sender has not been told yet that its item was taken

    def enough(self, item: int) -> bool:
        """Note an item; tell whether the round has had its share."""
        self.received.append(item)
        return self.dice.random() < 0.2

    async def later(self, token: CancelationToken) -> None:
        """Cancel at some time."""
        await anyio.sleep(self.delay())
        await token.cancel()

    async def item_timeout(self) -> None:
        """Limit the wait for each item."""
        try:
            async with cancelable_stream(self.receive, item_timeout=self.delay()) as stream:
                async for item in stream:
                    if self.enough(item):
                        break
        except TimeoutCancelation:
            self.interrupted += 1

    async def timeout(self) -> None:
        """Limit the waiting in all."""
        try:
            async for item in cancelable_stream(self.receive, timeout=self.delay()):
                self.received.append(item)
        except TimeoutCancelation:
            self.interrupted += 1

    async def scope(self) -> None:
        """Let a scope of the consumer's interrupt."""
        with anyio.move_on_after(self.delay()) as scope:
            async with cancelable_stream(self.receive) as stream:
                async for item in stream:
                    self.received.append(item)
        self.interrupted += scope.cancelled_caught

    async def inside(self) -> None:
        """Have another task cancel the operation that the consumer is in."""
        async with anyio.create_task_group() as group:
            async with Cancelable(move_on=True) as operation:
                group.start_soon(self.later, operation.token)
                async with cancelable_stream(self.receive, operation) as stream:
                    async for item in stream:
                        self.received.append(item)
            self.interrupted += operation.is_cancelled

    async def buffered(self) -> None:
        """Have another task cancel the operation that the consumer is in, of a stream that keeps its items."""
        async with anyio.create_task_group() as group:
            async with Cancelable(move_on=True) as operation:
                group.start_soon(self.later, operation.token)
                async with cancelable_stream(self.receive, operation, buffer_partial=True) as stream:
                    async for item in stream:
                        self.received.append(item)
            self.interrupted += operation.is_cancelled
        assert stream.partial.buffer == self.received[len(self.received) - stream.partial.count :]

    async def token(self) -> None:
        """Have another task cancel the token of the stream."""
        token = CancelationToken()
        async with anyio.create_task_group() as group:
            group.start_soon(self.later, token)
            try:
                async with cancelable_stream(self.receive, token=token) as stream:
                    async for item in stream:
                        self.received.append(item)
            except ManualCancelation:
                self.interrupted += 1

    async def chunks(self) -> None:
        """Receive in chunks, which a task beside the consumer collects."""
        token = CancelationToken()
        async with anyio.create_task_group() as group:
            group.start_soon(self.later, token)
            stream = chunked_cancelable_stream(self.receive, 2, Cancelable.with_token(token), self.delay())
            try:
                async with stream:
                    async for chunk in stream:
                        self.received += chunk
            except ManualCancelation:
                self.interrupted += 1
            self.received += stream.rest


@pytest.mark.virtual_time
@pytest.mark.timeout(120)
@pytest.mark.parametrize("capacity", [0, 2])
async def test_items_race_with_interruptions(capacity: int) -> None:
    """In 10,000 rounds of interrupted receiving no item is lost, none comes twice, and all are in order."""
    race = Race(capacity, capacity, 1.0)
    await race.run(10_000)
    assert race.sent > 5_000
    assert race.interrupted > 5_000


@pytest.mark.parametrize("capacity", [0, 2])
async def test_items_race_with_interruptions_on_real_clocks(capacity: int) -> None:
    """On a real loop it is the same."""
    race = Race(capacity, capacity, 0.0002)
    with anyio.move_on_after(25) as limit:
        await race.run(600)
    assert not limit.cancelled_caught
    assert race.interrupted > 200
