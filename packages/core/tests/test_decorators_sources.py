"""Decorators that bring a token, a signal, a condition or operations to combine; and `with_timeout`."""

from __future__ import annotations

import inspect
import math
from datetime import timedelta
from typing import Any

import anyio
import pytest

from hother.cancelable import (
    Cancelable,
    CancelationReason,
    CancelationSource,
    CancelationToken,
    ManualCancelation,
    TimeoutCancelation,
    cancelable_combine,
    cancelable_with_condition,
    cancelable_with_signal,
    cancelable_with_token,
    with_timeout,
)
from hother.cancelable.core import siblings

from .shared import here


async def test_functions_on_a_token() -> None:
    """`cancelable_with_token` ends all running calls with the token, and calls that come later at once."""
    token, ended = CancelationToken(), list[str]()

    @cancelable_with_token(token, name="on a token")
    async def work() -> None:
        ended.append(here().context.name or "")
        await anyio.sleep_forever()

    async def expect() -> None:
        with pytest.raises(ManualCancelation, match="all of you"):
            await work()

    async with anyio.create_task_group() as group:
        for _ in range(2):
            group.start_soon(expect)
        await anyio.wait_all_tasks_blocked()
        await token.cancel("all of you")
    await expect()
    assert ended == ["on a token"] * 3
    assert not token._listeners


async def test_functions_on_several_operations() -> None:
    """`cancelable_combine` makes a new whole for each call; the operations stay as they were."""
    token, names = CancelationToken(), list[str | None]()
    parts = [Cancelable.with_token(token, name="first"), Cancelable.with_timeout(60)]

    @cancelable_combine(*parts)
    async def work(cancelable: Cancelable | None = None) -> None:
        assert cancelable is not None
        names.append(cancelable.context.name)
        assert 59 < cancelable.remaining() <= 60

    @cancelable_combine(*parts, name="given")
    async def other() -> None:
        names.append(here().context.name)

    @cancelable_combine(Cancelable(), Cancelable())
    async def nameless() -> None:
        names.append(here().context.name)

    await work()
    await work()
    await other()
    await nameless()
    assert names == ["first", "first", "given", "nameless"]
    assert [part.context.status.value for part in parts] == ["pending", "pending"]
    await token.cancel("over")

    @cancelable_combine(*parts)
    async def late() -> None:
        await anyio.sleep_forever()

    with pytest.raises(ManualCancelation, match="over"):
        await late()


def test_wrong_operations_to_combine() -> None:
    """None at all, one twice, and what is no operation are refused when the decorator is made."""
    part = Cancelable()
    with pytest.raises(ValueError, match="needs at least one operation"):
        cancelable_combine()
    with pytest.raises(ValueError, match="combined with itself"):
        cancelable_combine(part, part)
    with pytest.raises(TypeError, match="only operations can be combined"):
        cancelable_combine(part, 3)  # type: ignore[arg-type]


async def test_functions_on_signals_and_conditions(monkeypatch: pytest.MonkeyPatch) -> None:
    """`cancelable_with_signal` and `cancelable_with_condition` make a source of the sibling package for each call."""
    made: list[tuple[Any, ...]] = []

    class Source(CancelationSource):
        reason = CancelationReason.SIGNAL

        def __init__(self, *args: Any) -> None:
            made.append(args)

        async def wait(self) -> str | None:
            return "fired"

    monkeypatch.setattr("hother.cancelable.core.operation.load", lambda name, wanted_by: Source)
    assert {"SignalSource", "ConditionSource"} <= set(siblings.SIBLINGS)

    def predicate() -> bool:
        return True

    @cancelable_with_signal(2, 15)
    async def until_signal() -> None:
        await anyio.sleep_forever()

    @cancelable_with_condition(predicate, 0.5, "it is so", in_thread=True)
    async def until_condition() -> None:
        await anyio.sleep_forever()

    made.clear()
    for function, name, args in (
        (until_signal, "until_signal", (2, 15)),
        (until_condition, "until_condition", (predicate, 0.5, "it is so", True)),
    ):
        for _ in range(2):
            with pytest.raises(Exception, match=f"'{name}' was cancelled .*fired") as caught:
                await function()
            assert getattr(caught.value, "reason", None) is CancelationReason.SIGNAL
        assert made == [args, args]
        made.clear()


@pytest.mark.virtual_time
async def test_with_timeout_awaits_for_so_long_at_most() -> None:
    """`with_timeout(seconds, coro)` gives the result in time, and else raises; name and id go on record."""

    async def work(seconds: float) -> str:
        await anyio.sleep(seconds)
        return "done"

    assert await with_timeout(5, work(4)) == "done"
    assert await with_timeout(timedelta(seconds=5), work(4)) == "done"
    with pytest.raises(TimeoutCancelation) as caught:
        await with_timeout(5, work(6), operation_id="op", name="work")
    context = caught.value.context
    assert context is not None
    assert (context.id, context.name) == ("op", "work")
    error = KeyError("missing")

    async def fail() -> None:
        raise error

    with pytest.raises(KeyError) as failed:
        await with_timeout(5, fail())
    assert failed.value is error


@pytest.mark.parametrize("timeout", [0, -1, math.nan, "3", True, None])
async def test_with_timeout_refuses_wrong_timeouts_without_a_warning(timeout: Any) -> None:
    """The coroutine that is not awaited then is closed, so nothing is said of it."""

    async def work() -> None:
        raise AssertionError("never runs")

    coro = work()
    with pytest.raises((TypeError, ValueError), match="timeout must be"):
        await with_timeout(timeout, coro)
    assert inspect.getcoroutinestate(coro) == inspect.CORO_CLOSED
