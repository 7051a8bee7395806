"""Cancelling a function at each of its suspension points."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Collection
from typing import Any, ParamSpec, TypedDict, Unpack

from .campaign import DEFAULT_WAYS, Campaign, required
from .leftovers import Leftover
from .report import Checkpoints
from .ways import Way

P = ParamSpec("P")


class CheckpointOptions(TypedDict, total=False):
    """How `cancel_at_each_checkpoint` goes about it; see there."""

    ways: Collection[Way | str]
    raises: type[BaseException] | tuple[type[BaseException], ...]
    may_return: bool
    allow: Collection[Leftover | str]
    limit: float
    budget: int
    seed: int


async def cancel_at_each_checkpoint(
    function: Callable[..., Awaitable[Any]],
    *args: Any,
    fresh: Callable[..., Any] | None = None,
    invariant: Callable[..., Any] | None = None,
    ways: Collection[Way | str] = DEFAULT_WAYS,
    raises: type[BaseException] | tuple[type[BaseException], ...] = (),
    may_return: bool = False,
    allow: Collection[Leftover | str] = (),
    limit: float = 5.0,
    budget: int = 1000,
    seed: int = 0,
) -> Checkpoints:
    """Assert that a function survives being cancelled wherever it can be.

    Runs it once as it is and counts the points at which it, or a task that it starts, gives control to the event loop.
    Then it runs the function again for each of them and each way, cancels it exactly there, and looks: did the
    cancellation get out, in time? Was anything left behind: a task, a thread at work, a registration on a token, a
    signal handler, a context variable, an open async generator? Does the invariant hold?

    A function that ends with its result all the same is right if the cancellation had not come in yet. What does not
    suspend, such as `get` of an asyncio queue that holds an item, cannot be cancelled and is no point.

    The function must end by itself when nobody cancels it. Give it what takes no time, or run it on a
    `virtual_clock`. The points come in the same order in each run if what the function does depends on nothing
    outside. The order of tasks that run side by side may differ, above all on trio; a run that ends before its
    point is counted as missed.

    Args:
        function: An async function. Each run calls it anew.
        *args: What to call it with.
        fresh: Called before each run, sync or async, so that each finds things as they were. What it returns, unless
            that is None, is the first argument of the function and the argument of the invariant.
        invariant: Called after each run, sync or async. It fails by raising or by returning False.
        ways: "native", "token", "timeout" or "twice"; see `Way`.
        raises: Exceptions that may come in place of the cancellation.
        may_return: Whether the function may catch the cancellation and return.
        allow: Kinds of things that may be left behind; see `Leftover`.
        limit: How long the function may take to end when it is cancelled, in seconds on the loop's clock; in real
            seconds if it goes round in circles, and for its threads. A run that takes much longer than the first one
            without having come to its point is given up, too.
        budget: How many runs there may be at most. Of a longer function that many points are chosen, the first and the
            last among them.
        seed: Makes that choice another one.

    Returns:
        How many points there were, and how many runs.

    Raises:
        AssertionError: If the function fails at a point; names each of them with its file, line, and what was wrong.
        Exception: What the function itself raises when nobody cancels it.
        TypeError: If it is no async function, or an option of another type.
        ValueError: If an option cannot be.

    Example:
        ```python
        import anyio

        from hother.cancelable.testing import cancel_at_each_checkpoint

        seats = ["window"]


        async def book() -> None:
            seat = seats.pop()
            await anyio.sleep(0)  # pay
            seats.append(seat)


        async def main() -> None:
            try:
                await cancel_at_each_checkpoint(book, invariant=lambda: len(seats) == 1)
            except AssertionError as error:
                print(str(error).splitlines()[0])
                #> book() does not survive cancellation at 1 of its 1 suspension points


        anyio.run(main)
        ```
    """
    campaign = Campaign(
        function,
        args,
        fresh=fresh,
        invariant=invariant,
        ways=ways,
        raises=raises,
        may_return=may_return,
        allow=allow,
        limit=limit,
        budget=budget,
        seed=seed,
    )
    return await campaign.run()


def cancelled_at_each_checkpoint(
    *,
    fresh: Callable[..., Any] | None = None,
    invariant: Callable[..., Any] | None = None,
    **options: Unpack[CheckpointOptions],
) -> Callable[[Callable[P, Awaitable[Any]]], Callable[P, Awaitable[None]]]:
    """Turn an async test function into one that is cancelled at each of its suspension points.

    It takes the same arguments, so fixtures work; all runs share them. What `fresh` makes comes before
    them.

    Args:
        fresh: See `cancel_at_each_checkpoint`.
        invariant: The same; called without the arguments of the test.
        **options: The same.

    Example:
        ```python
        import anyio

        from hother.cancelable.testing import cancelled_at_each_checkpoint


        @cancelled_at_each_checkpoint(ways=["native"])
        async def test_that_a_lock_is_given_back() -> None:
            async with anyio.Lock():
                await anyio.sleep(0)


        anyio.run(test_that_a_lock_is_given_back)
        ```
    """

    def decorate(function: Callable[P, Awaitable[Any]]) -> Callable[P, Awaitable[None]]:
        required(function)

        @functools.wraps(function)
        async def tested(*args: P.args, **kwargs: P.kwargs) -> None:
            call: Any = functools.partial(function, **kwargs) if kwargs else function
            await cancel_at_each_checkpoint(call, *args, fresh=fresh, invariant=invariant, **options)

        return tested

    return decorate
