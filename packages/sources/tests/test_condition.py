"""Conditions: when they are asked, what may be asked, and what the operation's record says of it."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from hother.cancelable import Cancelable, CancelationReason, ConditionCancelation
from hother.cancelable.sources import ConditionSource

from .asking import Answers, AsyncAnswers, is_idle, now


def _function(ask: Answers) -> Callable[[], Any]:
    def function() -> Any:
        return ask()

    return function


def _coroutine_function(ask: Answers) -> Callable[[], Awaitable[Any]]:
    async def function() -> Any:
        return ask()

    return function


def _late(ask: Answers) -> Callable[[], Awaitable[Any]]:
    """A coroutine function that suspends before it answers."""

    async def function() -> Any:
        await anyio.lowlevel.checkpoint()
        return ask()

    return function


async def _call(ask: Callable[[], Any]) -> Any:
    return ask()


class _Method:
    def __init__(self, ask: Answers) -> None:
        self.ask = ask

    async def __call__(self) -> Any:
        return self.ask()

    async def method(self) -> Any:
        return self.ask()


KINDS: dict[str, Callable[[Answers], Callable[[], Any]]] = {
    "function": _function,
    "callable object": lambda ask: ask,
    "partial": lambda ask: functools.partial(lambda ask: ask(), ask),
    "bound method": lambda ask: ask.__call__,
    "coroutine function": _coroutine_function,
    "coroutine function that suspends": _late,
    "async bound method": lambda ask: _Method(ask).method,
    "async callable object": _Method,
    "partial of a coroutine function": lambda ask: functools.partial(_call, ask),
    "partial of an async callable object": lambda ask: functools.partial(_Method(ask)),
    "lambda that returns a coroutine": lambda ask: lambda: _call(ask),
}


@pytest.mark.virtual_time
@pytest.mark.parametrize("kind", KINDS)
async def test_asked_on_entry_and_then_at_the_interval(kind: str) -> None:
    """Whatever kind of predicate it is: it is asked at once, and then each `check_interval` until it is true."""
    ask = Answers(False, False, False, True)
    start = now()
    with pytest.raises(ConditionCancelation):
        async with Cancelable.with_source(ConditionSource(KINDS[kind](ask), check_interval=0.25)):
            await anyio.sleep(60)
    assert [asked - start for asked in ask.asked] == pytest.approx([0, 0.25, 0.5, 0.75])
    assert now() - start == pytest.approx(0.75)
    assert is_idle()


@pytest.mark.parametrize("kind", ["function", "lambda that returns a coroutine"])
async def test_asked_in_a_thread_at_the_interval(kind: str) -> None:
    """With `in_thread=True` it is asked as often; a coroutine that it returns is awaited on the loop."""
    answers = [True, False, False]

    def pop() -> bool:
        return answers.pop()

    predicate: Callable[[], Any] = pop if kind == "function" else lambda: _call(pop)
    start = now()
    with anyio.fail_after(10), pytest.raises(ConditionCancelation):
        async with Cancelable.with_source(ConditionSource(predicate, check_interval=0.01, in_thread=True)):
            await anyio.sleep_forever()
    assert answers == []
    assert now() - start >= 0.01
    assert is_idle()


@pytest.mark.virtual_time
async def test_interval_as_a_time_span_and_by_default() -> None:
    """`check_interval` takes a `timedelta`; without it a condition is asked ten times a second."""
    spanned, default = Answers(False), Answers(False)
    slow = ConditionSource(spanned, timedelta(milliseconds=500))
    async with Cancelable(sources=[slow, ConditionSource(default)]):
        await anyio.sleep(1.05)
    assert (len(spanned.asked), len(default.asked)) == (3, 11)


async def test_true_on_entry() -> None:
    """The request is recorded before the body begins, and the body is interrupted at its first checkpoint."""
    with pytest.raises(ConditionCancelation):
        async with Cancelable.with_source(ConditionSource(lambda: True)) as operation:
            assert operation.cancel_requested
            await anyio.lowlevel.checkpoint()
            raise AssertionError("the body goes on")
    assert is_idle()


async def test_true_on_entry_of_a_body_without_checkpoints() -> None:
    """A result is never thrown away: the operation has completed, with the request on record."""
    async with Cancelable.with_source(ConditionSource(lambda: True)) as operation:
        pass
    assert operation.is_completed
    assert operation.context.cancel_reason is CancelationReason.CONDITION


@pytest.mark.virtual_time
@pytest.mark.parametrize("make", [Answers, AsyncAnswers])
async def test_async_or_not_true_on_entry(make: type[Answers]) -> None:
    """No time passes before the operation ends, and the predicate is asked once."""
    ask, start = make(True), now()
    with pytest.raises(ConditionCancelation):
        async with Cancelable.with_source(ConditionSource(ask)):
            await anyio.sleep_forever()
    assert ask.asked == [start]
    assert now() == start


@pytest.mark.virtual_time
@pytest.mark.parametrize("make", [Answers, AsyncAnswers])
async def test_any_truth_value_counts(make: type[Answers]) -> None:
    """What is false in an `if` keeps the operation, what is true there ends it."""
    ask = make(None, 0, "", [], "enough")
    with pytest.raises(ConditionCancelation):
        async with Cancelable.with_source(ConditionSource(ask)):
            await anyio.sleep(60)
    assert len(ask.asked) == 5


def _disk_is_full() -> bool:
    return True


async def _target_is_reached(target: int = 0) -> bool:
    return target >= 0


class _Enough:
    def __call__(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("predicate", "given", "expected"),
    [
        (_disk_is_full, None, "_disk_is_full"),
        (_target_is_reached, None, "_target_is_reached"),
        (functools.partial(_target_is_reached, 3), None, "_target_is_reached"),
        (functools.partial(functools.partial(_target_is_reached), 3), None, "_target_is_reached"),
        (functools.partial(_Enough()), None, "_Enough"),
        (_Enough(), None, "_Enough"),
        (lambda: True, None, "<lambda>"),
        (_Enough().__call__, None, "__call__"),
        (_disk_is_full, "no space left", "no space left"),
    ],
)
async def test_record_of_a_condition(predicate: Callable[[], bool], given: str | None, expected: str) -> None:
    """Message and origin name the condition: as it was given, or as its function or class is called."""
    source = ConditionSource(predicate, condition_name=given)
    with pytest.raises(ConditionCancelation, match=f"the condition '{expected}' became true") as caught:
        async with Cancelable.with_source(source) as operation:
            await anyio.sleep_forever()
    assert operation.is_cancelled
    assert operation.context.cancel_reason is CancelationReason.CONDITION
    assert operation.context.cancel_message == f"the condition '{expected}' became true"
    assert operation.context.cancel_origin == expected
    assert caught.value.reason is CancelationReason.CONDITION
    assert repr(source) == f"ConditionSource('{expected}')"


@pytest.mark.virtual_time
async def test_a_body_that_ends_first() -> None:
    """Its result stands, and nobody is asked any more."""
    ask, ask_async = Answers(False), AsyncAnswers(False)
    async with Cancelable(sources=[ConditionSource(ask), ConditionSource(ask_async)]) as operation:
        await anyio.sleep(0.15)
    assert is_idle()
    await anyio.sleep(1)
    assert (len(ask.asked), len(ask_async.asked)) == (2, 2)
    assert operation.is_completed
    assert not operation.cancel_requested
