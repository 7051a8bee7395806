"""Conditions whose predicate fails: a broken safety net is not silent."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from hother.cancelable import Cancelable, CancelationReason
from hother.cancelable.core import ErrorCancelation
from hother.cancelable.sources import ConditionSource

from .asking import Answers, AsyncAnswers, Undecided, is_idle, now


async def _run(source: ConditionSource) -> tuple[Cancelable, ErrorCancelation]:
    operation = Cancelable.with_source(source)
    with pytest.raises(ErrorCancelation) as caught:
        async with operation:
            await anyio.sleep(60)
    assert operation.is_cancelled
    assert operation.context.cancel_reason is CancelationReason.ERROR
    assert operation.context.cause is caught.value.__cause__
    assert is_idle()
    return operation, caught.value


@pytest.mark.virtual_time
@pytest.mark.parametrize("make", [Answers, AsyncAnswers])
@pytest.mark.parametrize("checks", [0, 3])
async def test_predicate_that_raises(make: type[Answers], checks: int) -> None:
    """At the first check or later: the operation ends then with ERROR; the cause is that exception, with its place."""
    error = ZeroDivisionError("no such luck")
    ask, start = make(*[False] * checks, error), now()
    operation, raised = await _run(ConditionSource(ask, condition_name="luck"))
    assert raised.__cause__ is error
    assert "__call__" in [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    assert operation.context.cancel_message == "luck failed: ZeroDivisionError('no such luck')"
    assert operation.context.cancel_origin == "luck"
    assert now() - start == pytest.approx(0.1 * checks)
    assert len(ask.asked) == checks + 1


async def test_predicate_that_raises_in_a_thread() -> None:
    """The exception is carried over from the worker thread, with its traceback."""

    def luck() -> bool:
        raise ZeroDivisionError("no such luck")

    _, raised = await _run(ConditionSource(luck, in_thread=True))
    assert isinstance(raised.__cause__, ZeroDivisionError)
    assert "luck" in [frame.name for frame in traceback.extract_tb(raised.__cause__.__traceback__)]


@pytest.mark.virtual_time
@pytest.mark.parametrize("make", [Answers, AsyncAnswers])
@pytest.mark.parametrize("checks", [0, 2])
async def test_answer_without_a_truth_value(make: type[Answers], checks: int) -> None:
    """An answer that cannot be told true or false breaks the condition as an exception of the predicate does."""
    _, raised = await _run(ConditionSource(make(*[False] * checks, Undecided())))
    assert isinstance(raised.__cause__, ArithmeticError)


async def test_answer_without_a_truth_value_from_a_thread() -> None:
    """The same, where the answer comes from a worker thread."""

    def predicate() -> Any:
        return Undecided()

    _, raised = await _run(ConditionSource(predicate, in_thread=True))
    assert isinstance(raised.__cause__, ArithmeticError)


@pytest.mark.virtual_time
async def test_awaitable_after_a_plain_answer() -> None:
    """A predicate has to decide whether it is async: an awaitable that comes later is an error, not a truth."""

    async def later() -> bool:
        return False

    answers: list[Callable[[], Any]] = [later, lambda: False]
    _, raised = await _run(ConditionSource(lambda: answers.pop()(), condition_name="moody"))
    assert isinstance(raised.__cause__, TypeError)
    assert "'moody' gave a plain answer first, and then <coroutine object" in str(raised.__cause__)


@pytest.mark.loops("asyncio", "eager", "uvloop")
@pytest.mark.parametrize("asks_before", [0, 1])
async def test_result_of_a_cancelled_future(asks_before: int) -> None:
    """`future.result()` raises asyncio's `CancelledError`, which is no `Exception`: that is a failure all the same."""
    future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    answers = [False] * asks_before
    future.cancel()
    source = ConditionSource(lambda: answers.pop() if answers else future.result(), 0.01)
    _, raised = await _run(source)
    assert isinstance(raised.__cause__, asyncio.CancelledError)


@pytest.mark.virtual_time
async def test_others_go_on_after_a_failure() -> None:
    """One condition that breaks keeps no other on the same tick from being asked."""
    broken, sound = Answers(False, OSError("gone")), Answers(False, False, True)

    async def run(ask: Answers) -> None:
        operation = Cancelable.with_source(ConditionSource(ask), move_on=True)
        async with operation:
            await anyio.sleep(60)
        assert operation.is_cancelled

    async with anyio.create_task_group() as group:
        group.start_soon(run, broken)
        group.start_soon(run, sound)
    assert (len(broken.asked), len(sound.asked)) == (2, 3)
    assert is_idle()
