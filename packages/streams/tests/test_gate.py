"""Pausing and resuming: from anywhere, any number of streams, without losing an item."""

from __future__ import annotations

import logging

import anyio
import pytest

from hother.cancelable import Cancelable, CancelationToken, ManualCancelation, TimeoutCancelation, cancelable_stream
from hother.cancelable.streams import PauseGate

from .pacing import Consumer, counting, paced


def test_pausing_twice() -> None:
    """To pause what is paused, and to resume what goes on, changes nothing."""
    gate = PauseGate()
    assert not gate.is_paused
    gate.resume()
    assert not gate.is_paused
    gate.pause()
    gate.pause()
    assert gate.is_paused
    gate.resume()
    assert not gate.is_paused
    gate.resume()
    assert not gate.is_paused


async def test_waiting_at_the_gate() -> None:
    """`wait` returns at once at an open gate, and at a closed one with `resume`."""
    gate, log = PauseGate(), list[str]()
    await gate.wait()
    gate.pause()

    async def wait() -> None:
        await gate.wait()
        log.append("through")

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        group.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        gate.pause()
        await anyio.wait_all_tasks_blocked()
        assert log == []
        gate.resume()
    assert log == ["through", "through"]


async def test_a_gate_that_closes_again_at_once() -> None:
    """Who waits at the gate stays there if it is closed again before they have got through."""
    gate, log = PauseGate(), list[str]()
    gate.pause()

    async def wait() -> None:
        await gate.wait()
        log.append("through")

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        gate.resume()
        gate.pause()
        await anyio.wait_all_tasks_blocked()
        assert log == []
        gate.resume()
    assert log == ["through"]


@pytest.mark.parametrize("inside", [False, True])
async def test_holding_between_items(inside: bool) -> None:
    """A paused stream asks for no item, and goes on where it was."""
    gate, asked = PauseGate(), list[int]()
    async with Cancelable() as operation:
        consumer = Consumer(cancelable_stream(counting(6, asked), operation if inside else None, gate=gate))
        async for item in consumer.stream:
            consumer.items.append(item)
            if item == 2:
                break
        gate.pause()
        async with anyio.create_task_group() as group:

            async def resume() -> None:
                await anyio.wait_all_tasks_blocked()
                assert asked == [0, 1, 2]
                gate.resume()

            group.start_soon(resume)
            item = await anext(consumer.stream)
            assert not gate.is_paused
            consumer.items.append(item)
        await consumer.run()
    assert consumer.items == list(range(6))


async def test_an_item_on_its_way_still_arrives() -> None:
    """An item that is waited for when the gate closes is handed out, and only the next one is held."""
    gate = PauseGate()
    send, receive = anyio.create_memory_object_stream[int](5)
    consumer = Consumer(cancelable_stream(receive, gate=gate, item_timeout=60))
    async with receive, anyio.create_task_group() as group:
        group.start_soon(consumer.run)
        await anyio.wait_all_tasks_blocked()
        gate.pause()
        await send.send(1)
        await send.send(2)
        await anyio.wait_all_tasks_blocked()
        assert consumer.items == [1]
        assert receive.statistics().current_buffer_used == 1
        gate.resume()
        send.close()
    assert consumer.items == [1, 2]
    assert not gate._listeners


async def test_several_streams_at_one_gate() -> None:
    """A gate holds all its streams, and lets all go on."""
    gate = PauseGate()
    gate.pause()
    consumers = [Consumer(cancelable_stream(counting(5), gate=gate)) for _ in range(5)]
    async with anyio.create_task_group() as group:
        for consumer in consumers:
            group.start_soon(consumer.run)
        await anyio.wait_all_tasks_blocked()
        assert [consumer.items for consumer in consumers] == [[]] * 5
        gate.resume()
    assert [consumer.items for consumer in consumers] == [list(range(5))] * 5


@pytest.mark.parametrize("inside", [False, True])
async def test_a_cancel_ends_a_paused_stream(inside: bool) -> None:
    """A cancel of the operation ends a paused stream at once, and leaves nothing at the gate."""
    gate, token, asked = PauseGate(), CancelationToken(), list[int]()
    gate.pause()

    async def cancel() -> None:
        await anyio.wait_all_tasks_blocked()
        await token.cancel("enough")

    async with anyio.create_task_group() as group:
        group.start_soon(cancel)
        with pytest.raises(ManualCancelation, match="enough"):
            if inside:
                async with Cancelable.with_token(token) as operation:
                    await Consumer(cancelable_stream(counting(5, asked), operation, gate=gate)).run()
            else:
                await Consumer(cancelable_stream(counting(5, asked), token=token, gate=gate)).run()
    assert asked == []
    assert gate.is_paused
    assert not gate._listeners
    assert not [token for token in gate._closed.values() if token._listeners]


@pytest.mark.virtual_time
async def test_a_timeout_of_the_operation_ends_a_paused_stream() -> None:
    """The operation's own timeout, unlike the limits of the stream, goes on while the stream is paused."""
    gate = PauseGate()
    gate.pause()
    start = anyio.current_time()
    with pytest.raises(TimeoutCancelation, match="not done within 5 s"):
        await Consumer(cancelable_stream(paced((1, 1)), Cancelable.with_timeout(5), gate=gate)).run()
    assert anyio.current_time() - start == pytest.approx(5)


async def test_a_listener_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged each time, and stops neither the other listeners nor the streams that wait."""
    gate, heard = PauseGate(), list[bool]()

    def fail() -> None:
        raise RuntimeError("not today")

    gate.listen(fail)
    stop = gate.listen(lambda: heard.append(gate.is_paused))
    gate.pause()
    consumer = Consumer(cancelable_stream(counting(3), gate=gate, item_timeout=60))
    async with anyio.create_task_group() as group:
        group.start_soon(consumer.run)
        await anyio.wait_all_tasks_blocked()
        assert consumer.items == []
        gate.resume()
    assert consumer.items == [0, 1, 2]
    assert heard == [True, False]
    assert [(each.name, each.levelno) for each in caplog.records] == [("hother.cancelable", logging.ERROR)] * 2
    assert "fail" in caplog.records[0].getMessage()
    stop()
    gate.pause()
    assert heard == [True, False]


async def test_a_listener_that_ends_everything() -> None:
    """What is no error of the listener's leaves `resume`, and the streams that wait go on nevertheless."""
    gate = PauseGate()
    gate.pause()

    def interrupt() -> None:
        raise KeyboardInterrupt

    gate.listen(interrupt)
    async with anyio.create_task_group() as group:
        group.start_soon(gate.wait)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(KeyboardInterrupt):
            gate.resume()
    assert not gate.is_paused
