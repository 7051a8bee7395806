"""How `cancel_at_each_checkpoint` runs a function: states, invariants, budgets, forms, and bad input."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from hother.cancelable import Cancelable, CancelationReason, current_operation
from hother.cancelable.testing import (
    Checkpoints,
    FakeSource,
    Leftover,
    cancel_at_each_checkpoint,
    cancelled_at_each_checkpoint,
)

from .kit_cases import numbers


class Pool:
    """A pool of one connection that gets lost when its user is cancelled while it is checked."""

    def __init__(self) -> None:
        self.free: list[str] = ["connection"]

    async def use(self) -> None:
        """Take the connection, check it, and give it back."""
        connection = self.free.pop()
        await checkpoint()
        try:
            await checkpoint()
        finally:
            self.free.append(connection)


async def steps(count: int) -> None:
    """Suspend so many times."""
    for _ in range(count):
        await checkpoint()


async def test_each_run_gets_what_fresh_makes() -> None:
    """The function and the invariant get a new state each time, so the report names just the failing points."""
    pools: list[Pool] = []

    async def fresh() -> Pool:
        pools.append(Pool())
        return pools[-1]

    with pytest.raises(AssertionError) as caught:
        await cancel_at_each_checkpoint(Pool.use, fresh=fresh, invariant=lambda pool: pool.free == ["connection"])
    report = str(caught.value)
    assert report.startswith("Pool.use() does not survive cancellation at 1 of its 2 suspension points")
    assert "point 1 of 2" in report
    assert "broke the invariant: <lambda>() is False" in report
    assert "point 2 of 2" not in report
    assert len(pools) == 7


async def test_an_invariant_that_stays_broken_ends_the_campaign() -> None:
    """Without a fresh state later points would be blamed for the first one; the report says that and what to do."""
    pool = Pool()

    async def whole() -> None:
        assert pool.free, "the connection is gone"

    with pytest.raises(AssertionError) as caught:
        await cancel_at_each_checkpoint(pool.use, invariant=whole)
    assert "broke the invariant: AssertionError: the connection is gone" in str(caught.value)
    assert "the invariant stays broken. With fresh=" in str(caught.value)
    assert "point 2" not in str(caught.value)


async def test_a_function_that_cannot_run_again_is_told_apart() -> None:
    """A run that fails before it is cancelled says nothing about cancellation, so the error explains the rule."""
    operation = Cancelable()

    async def once() -> None:
        async with operation:
            await checkpoint()

    with pytest.raises(
        AssertionError, match=r"run 2 of once\(\) raised RuntimeError.*before it came to point 1.*fresh="
    ):
        await cancel_at_each_checkpoint(once)


async def test_a_function_that_takes_another_way_is_told_apart() -> None:
    """If no point is met again there was nothing to test, which is no success."""
    left = [1, 2, 3]

    async def drain() -> None:
        while left:
            left.pop()
            await checkpoint()

    with pytest.raises(AssertionError, match="none of the 3 suspension points of drain"):
        await cancel_at_each_checkpoint(drain)


async def test_what_the_function_raises_by_itself_passes() -> None:
    """A clean run that fails shows the function's own exception."""

    async def fail() -> None:
        await checkpoint()
        raise LookupError("nothing to do with it")

    with pytest.raises(LookupError, match="nothing to do with it"):
        await cancel_at_each_checkpoint(fail)


async def test_a_clean_run_that_leaves_something_is_reported_as_such() -> None:
    """What goes wrong without any cancellation is said first, and nothing else is tried."""
    with pytest.raises(AssertionError, match=r"run without cancellation\n    it broke the invariant: .* is False\n"):
        await cancel_at_each_checkpoint(steps, 2, invariant=lambda: False)


async def test_exceptions_and_returns_can_be_allowed() -> None:
    """`raises`, `may_return` and `allow` name what is meant to be so."""

    async def translate() -> None:
        try:
            await checkpoint()
        except BaseException as error:
            raise ConnectionError from error

    async def give_in() -> str:
        try:
            await checkpoint()
        except BaseException:
            return "what there is"
        return "all"

    await cancel_at_each_checkpoint(translate, raises=OSError)
    await cancel_at_each_checkpoint(give_in, may_return=True)


async def test_a_budget_samples_the_same_points_for_the_same_seed() -> None:
    """A long function is tried at as many points as the budget allows, the first and the last among them."""

    async def tried(seed: int) -> set[int]:
        seen: set[int] = set()
        at = 0

        async def count() -> None:
            nonlocal at
            for number in range(1, 101):
                at = number
                await checkpoint()
            at = 0

        def note() -> None:
            if at:
                seen.add(at)

        done = await cancel_at_each_checkpoint(count, invariant=note, ways=["native", "token"], budget=20, seed=seed)
        assert done == Checkpoints(points=100, runs=20, missed=0)
        return seen

    first = await tried(1)
    assert {1, 100} <= first
    assert len(first) == 10
    assert await tried(1) == first
    assert await tried(2) != first


async def test_the_report_says_that_points_were_sampled() -> None:
    """Who reads it knows that there may be more."""

    async def spoil() -> None:
        try:
            await steps(50)
        except BaseException:
            pass

    with pytest.raises(AssertionError, match="5 of 50 points were tried, chosen with the seed 7"):
        await cancel_at_each_checkpoint(spoil, ways=["native"], budget=5, seed=7)


async def test_the_operations_of_the_ways_are_seen_by_the_function() -> None:
    """By a token and by a timeout the function runs in an operation, whose reason it can read; natively in none."""
    reasons: list[CancelationReason | None] = []

    async def look() -> None:
        operation = current_operation()
        try:
            await checkpoint()
        finally:
            reasons.append(None if operation is None else operation.context.cancel_reason)

    await cancel_at_each_checkpoint(look)
    assert reasons == [None, None, CancelationReason.MANUAL, CancelationReason.TIMEOUT]


async def test_an_enclosing_cancellation_ends_the_campaign() -> None:
    """A limit around the call reaches it, and is not taken for one of the kit's own."""
    with anyio.move_on_after(0.02) as limit:
        await cancel_at_each_checkpoint(anyio.sleep_forever)
    assert limit.cancelled_caught


async def test_points_on_a_source_of_the_function() -> None:
    """An operation with a source of its own inside the function tidies up at each point."""
    source = FakeSource()

    async def work() -> None:
        async with Cancelable.with_source(source, move_on=True):
            await checkpoint()
            source.fire()
            await anyio.sleep(1)

    await cancel_at_each_checkpoint(work, invariant=lambda: not source.is_armed)


@cancelled_at_each_checkpoint(ways=["native"])
async def test_the_decorator_form() -> None:
    """A test function can be put through it as a whole."""
    async with anyio.Lock():
        await checkpoint()


async def test_the_fixture_form(cancel_at_each_checkpoint: Callable[..., Awaitable[Checkpoints]]) -> None:
    """A test may ask for it by name."""
    assert await cancel_at_each_checkpoint(steps, 3) == Checkpoints(points=3, runs=9, missed=0)


async def test_the_decorator_passes_arguments_and_reports() -> None:
    """The function keeps its name and arguments; its faults are raised when it is called."""

    @cancelled_at_each_checkpoint()
    async def use(pool: Pool, *, twice: bool) -> None:
        assert twice
        await pool.use()
        assert pool.free

    assert use.__name__ == "use"
    with pytest.raises(AssertionError, match=r"run 3 of use\(\) raised IndexError"):
        await use(Pool(), twice=True)


def anything(value: Any) -> Any:
    """Hide a type from type checkers."""
    return value


BAD: dict[str, tuple[type[Exception], str, Callable[[], Awaitable[Any]]]] = {
    "no function": (TypeError, "must be an async function, not 3", lambda: cancel_at_each_checkpoint(anything(3))),
    "a coroutine": (TypeError, "can run only once", lambda: cancel_at_each_checkpoint(anything(steps(1)))),
    "a plain function": (TypeError, "cannot be awaited", lambda: cancel_at_each_checkpoint(anything(dict))),
    "a generator": (TypeError, "async generator function", lambda: cancel_at_each_checkpoint(anything(numbers))),
    "an unknown way": (ValueError, "'native', 'twice'", lambda: cancel_at_each_checkpoint(steps, 1, ways=["rude"])),
    "a way as a string": (TypeError, "ways=", lambda: cancel_at_each_checkpoint(steps, 1, ways="native")),
    "no way": (ValueError, "ways is empty", lambda: cancel_at_each_checkpoint(steps, 1, ways=[])),
    "an unknown kind": (ValueError, "'task'", lambda: cancel_at_each_checkpoint(steps, 1, allow=["tasks"])),
    "a kind as a string": (TypeError, "allow=", lambda: cancel_at_each_checkpoint(steps, 1, allow="task")),
    "no limit": (ValueError, "limit", lambda: cancel_at_each_checkpoint(steps, 1, limit=0)),
    "half a run": (ValueError, "budget", lambda: cancel_at_each_checkpoint(steps, 1, budget=anything(1.5))),
    "fresh is no function": (TypeError, "fresh must", lambda: cancel_at_each_checkpoint(steps, 1, fresh=anything(1))),
    "no invariant": (TypeError, "invariant must", lambda: cancel_at_each_checkpoint(steps, invariant=anything(True))),
    "no exception": (TypeError, "raises must", lambda: cancel_at_each_checkpoint(steps, 1, raises=anything("OSError"))),
    "no budget": (ValueError, "budget", lambda: cancel_at_each_checkpoint(steps, 1, budget=0)),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.loops("asyncio", "trio")
async def test_bad_input_is_refused(case: str) -> None:
    """The error names what was given and what to give instead."""
    kind, text, call = BAD[case]
    with pytest.raises(kind, match=text):
        await call()


@pytest.mark.loops("asyncio")
async def test_what_is_allowed_is_left_alone() -> None:
    """A kind of leftover that is allowed is not looked for; the others still are."""
    tasks: list[asyncio.Task[None]] = []

    async def start() -> None:
        tasks.append(asyncio.create_task(asyncio.sleep(60)))
        await checkpoint()

    await cancel_at_each_checkpoint(start, allow=[Leftover.TASK])
    with pytest.raises(AssertionError, match=r"left the task(.|\n)*opened once for the whole process, open it before"):
        await cancel_at_each_checkpoint(start, allow=["thread"])
    for task in tasks:
        task.cancel()
