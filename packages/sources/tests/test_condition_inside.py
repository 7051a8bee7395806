"""What predicates see and may do: context variables, the current operation, ending it or another one."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from hother.cancelable import (
    Cancelable,
    CancelationReason,
    ConditionCancelation,
    ManualCancelation,
    current_operation,
)

from .asking import Answers, is_idle, now

customer: ContextVar[str] = ContextVar("customer", default="nobody")

Seen = list[tuple[Cancelable | None, str]]


def _look(seen: Seen) -> bool:
    seen.append((current_operation(), customer.get()))
    return len(seen) == 2


def _sync(seen: Seen) -> Callable[[], Any]:
    return lambda: _look(seen)


def _async(seen: Seen) -> Callable[[], Any]:
    async def predicate() -> bool:
        await anyio.lowlevel.checkpoint()
        return _look(seen)

    return predicate


@pytest.mark.parametrize(("make", "in_thread"), [(_sync, False), (_async, False), (_sync, True)])
async def test_what_a_predicate_sees(make: Callable[[Seen], Callable[[], Any]], in_thread: bool) -> None:
    """At each check: the operation as the current one, and the context variables that were set before it was entered.

    Conditions of other operations, asked on the same tick, do not change that.
    """

    async def run(name: str) -> None:
        seen: Seen = []
        customer.set(name)
        async with Cancelable.with_condition(make(seen), 0.01, in_thread=in_thread, move_on=True) as operation:
            customer.set("nobody else")
            await anyio.sleep_forever()
        assert seen == [(operation, name)] * 2

    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            for name in ("Ada", "Grace"):
                group.start_soon(run, name)


@pytest.mark.virtual_time
async def test_what_a_sync_predicate_sets() -> None:
    """A context variable that it sets stays with it until the next check, and does not reach the body."""
    seen: list[str] = []

    def predicate() -> bool:
        seen.append(customer.get())
        customer.set(f"number {len(seen)}")
        return False

    async with Cancelable.with_condition(predicate):
        await anyio.sleep(0.25)
        assert customer.get() == "nobody"
    assert seen == ["nobody", "number 1", "number 2"]


@pytest.mark.virtual_time
@pytest.mark.parametrize("checks", [1, 3])
@pytest.mark.parametrize("answer", [False, True])
async def test_predicate_that_ends_its_operation(checks: int, answer: bool) -> None:
    """Its request counts, as the first one, whatever the predicate answers then."""
    asked: list[float] = []

    def predicate() -> bool:
        asked.append(now())
        if len(asked) < checks:
            return False
        operation = current_operation()
        assert operation is not None
        operation.cancel_sync("from inside")
        return answer

    with pytest.raises(ManualCancelation, match="from inside"):
        async with Cancelable.with_condition(predicate):
            await anyio.sleep(60)
    assert len(asked) == checks
    assert is_idle()


@pytest.mark.virtual_time
@pytest.mark.parametrize("answer", [False, True])
async def test_predicate_that_ends_another_operation(answer: bool) -> None:
    """One that is asked later on the same tick ends with that first request, also if its condition is true by then."""
    waiting: list[Cancelable] = []
    victim_asked = Answers(False, answer)

    def attack() -> bool:
        if not victim_asked.asked:
            return False
        waiting[0].cancel_sync("you first")
        return True

    async def victim() -> None:
        with pytest.raises(ManualCancelation, match="you first"):
            async with Cancelable.with_condition(victim_asked, detached=True) as operation:
                waiting.append(operation)
                await anyio.sleep(60)

    start = now()
    async with anyio.create_task_group() as group:
        with pytest.raises(ConditionCancelation):
            async with Cancelable.with_condition(attack):
                group.start_soon(victim)
                await anyio.sleep(60)
    assert len(victim_asked.asked) == 2
    assert now() - start == pytest.approx(0.1)
    assert is_idle()


@pytest.mark.virtual_time
async def test_true_while_the_body_is_shielded() -> None:
    """The request is recorded then; the body is interrupted when its shield ends."""
    start, ask = now(), Answers(False, False, True)
    with pytest.raises(ConditionCancelation):
        async with Cancelable.with_condition(ask) as operation:
            async with operation.shield():
                await anyio.sleep(0.15)
                assert not operation.cancel_requested
                await anyio.sleep(0.85)
                assert operation.cancel_requested
            raise AssertionError("the body goes on")
    assert now() - start == pytest.approx(1)
    assert len(ask.asked) == 3
    assert is_idle()


@pytest.mark.virtual_time
async def test_parent_and_child_with_conditions() -> None:
    """The condition of an operation above ends the one below it as well, whose own is asked no more."""
    ask = Answers(False)
    above, child = Cancelable.with_condition(Answers(False, False, True)), Cancelable.with_condition(ask)
    with pytest.raises(ConditionCancelation):
        async with above, child:
            await anyio.sleep(60)
    assert child.context.cancel_reason is CancelationReason.PARENT
    assert 1 < len(ask.asked) <= 3
    assert is_idle()
