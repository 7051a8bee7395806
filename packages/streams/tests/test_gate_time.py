"""Time spent paused does not count against the limits of a stream."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import anyio
import pytest

from hother.cancelable import TimeoutCancelation, cancelable_stream
from hother.cancelable.streams import PauseGate
from hother.cancelable.streams.limits import Limits

from .pacing import paced

pytestmark = pytest.mark.virtual_time

Plan = Sequence[tuple[float, str]]


async def follow(gate: PauseGate, plan: Plan) -> None:
    """Pause and resume at times, from other threads."""
    start = anyio.current_time()
    for at, what in plan:
        await anyio.sleep(start + at - anyio.current_time())
        thread = threading.Thread(target={"pause": gate.pause, "resume": gate.resume}[what])
        thread.start()
        thread.join()  # on virtual time a thread that is not waited for counts as idle


async def take(
    plan: Plan, *items: tuple[float, int], item_timeout: float | None = None, timeout: float | None = None
) -> tuple[list[tuple[float, int]], float | None]:
    """Return the items of a gated stream with their times, and the time of its timeout."""
    gate, came = PauseGate(), list[tuple[float, int]]()
    start = anyio.current_time()

    def now() -> float:
        return round(anyio.current_time() - start, 6)

    ended: float | None = None
    async with anyio.create_task_group() as group:
        group.start_soon(follow, gate, plan)
        await anyio.wait_all_tasks_blocked()
        try:
            stream = cancelable_stream(paced(*items), gate=gate, item_timeout=item_timeout, timeout=timeout)
            async with stream:
                async for item in stream:
                    came.append((now(), item))
        except TimeoutCancelation:
            ended = now()
        group.cancel_scope.cancel()
    assert not gate._listeners
    return came, ended


@pytest.mark.parametrize(
    ("plan", "came", "ended"),
    [
        ([], [], 5),
        ([(0, "pause"), (100, "resume")], [], 105),
        ([(2, "pause"), (100, "resume")], [(9, 1)], 103 + 9 - 7 - 2 - 3 + 5),
        ([(2, "pause"), (8, "resume")], [(9, 1)], 14),
        ([(1, "pause"), (2, "resume"), (3, "pause"), (4, "resume"), (4.5, "pause"), (7, "resume")], [(9, 1)], 14),
        ([(1, "pause"), (2, "resume"), (3, "pause"), (4, "resume")], [], 7),
        ([(1, "pause"), (2, "pause"), (4, "resume"), (6, "resume")], [], 8),
        ([(5, "pause"), (6, "resume")], [], 5),
    ],
    ids=["never", "before", "past the item", "over", "thrice", "twice", "doubly", "at the limit"],
)
async def test_time_spent_paused_does_not_count(plan: Plan, came: list[tuple[float, int]], ended: float) -> None:
    """Of the 9 s until the item comes only those count against `item_timeout`, 5 s, in which the gate is open."""
    assert await take(plan, (9, 1), (1000, 2), item_timeout=5) == (came, ended)


async def test_time_spent_paused_does_not_count_in_all() -> None:
    """The limit in all stands still, too, at the gate and while an item is waited for."""
    plan = [(1, "pause"), (11, "resume"), (13, "pause"), (50, "resume")]
    # 2 s until the first item, at 2; the gate until 11; 2 s, and 37 s paused, until 50; 1 s is left
    assert await take(plan, (2, 1), (30, 2), (1000, 3), timeout=6) == ([(2, 1), (41, 2)], 53)


@pytest.mark.parametrize("timeout", [None, 60.0])
async def test_an_item_that_comes_while_paused(timeout: float | None) -> None:
    """An item whose wait was paused arrives at its time, however long the pause lasts afterwards."""
    plan = [(1, "pause"), (500, "resume")]
    assert await take(plan, (50, 1), (3, 2), item_timeout=5, timeout=timeout) == (
        [(50, 1), (503, 2)],
        None,
    )


async def test_a_thread_that_is_overtaken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A `pause` whose news reach the loop after those of the `resume` does not stop the clock for ever."""
    gate = PauseGate()
    told: list[Callable[[], object]] = []
    listen = gate.listen
    monkeypatch.setattr(gate, "listen", lambda listener: listen(lambda: told.append(listener)))
    start = anyio.current_time()

    async def race() -> None:
        await anyio.sleep(1)
        gate.pause()
        gate.resume()
        for listener in reversed(told):
            listener()

    async with anyio.create_task_group() as group:
        group.start_soon(race)
        with pytest.raises(TimeoutCancelation):
            async with cancelable_stream(paced((100, 1)), gate=gate, item_timeout=5) as stream:
                await anext(stream)
    assert len(told) == 2
    assert anyio.current_time() - start == pytest.approx(5)


async def test_a_gate_that_closes_just_before_the_wait() -> None:
    """A gate that a thread closes when a stream has got through, but does not wait yet, stops the clock, too."""
    gate, source = PauseGate(), paced((9, 1))
    gate.pause()
    assert await Limits(None, 5, gate).around(source.__anext__)() == 1
    await source.aclose()
    assert not gate._listeners
