"""Conditions that cannot be asked are refused when they are made, wherever that is."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from hother.cancelable import Cancelable, cancelable_with_condition
from hother.cancelable.sources import ConditionSource

from .asking import Answers, AsyncAnswers

Make = Callable[..., object]
PLACES = pytest.mark.parametrize("make", [ConditionSource, Cancelable.with_condition, cancelable_with_condition])


async def _true() -> bool:
    return True


def _false() -> bool:
    return False


@PLACES
@pytest.mark.parametrize("predicate", [None, True, "ready", 3])
def test_what_cannot_be_called(make: Make, predicate: object) -> None:
    """The error shows what was given in place of a function."""
    with pytest.raises(TypeError, match=f"the predicate must be a function without arguments, not {predicate!r}"):
        make(predicate)


@PLACES
def test_a_coroutine_in_place_of_its_function(make: Make) -> None:
    """A predicate that was called by mistake is not called: it is shown."""
    coroutine = _true()
    with pytest.raises(TypeError, match="must be a function without arguments, not <coroutine object _true"):
        make(coroutine)
    coroutine.close()


@PLACES
@pytest.mark.parametrize(
    "predicate", [_true, functools.partial(_true), AsyncAnswers(True), AsyncAnswers(True).__call__]
)
def test_async_in_a_thread(make: Make, predicate: Callable[..., Any]) -> None:
    """An async predicate does not go with `in_thread=True`; the error says where it runs."""
    with pytest.raises(TypeError, match="an async predicate runs on the event loop, not in a thread"):
        make(predicate, in_thread=True)


@PLACES
@pytest.mark.parametrize("interval", [0, 0.0, -1, -0.1, math.nan, -math.inf, timedelta(0), timedelta(seconds=-1)])
def test_intervals_of_no_length(make: Make, interval: object) -> None:
    """Zero, negative and NaN are values that no interval can have."""
    with pytest.raises(ValueError, match="check_interval must be more than zero seconds, not"):
        make(_false, interval)


@PLACES
@pytest.mark.parametrize("interval", [True, "0.1", None, 1j])
def test_intervals_that_are_no_time(make: Make, interval: object) -> None:
    """The error names the argument, what it takes, and what was given."""
    with pytest.raises(TypeError, match="check_interval must be a number of seconds or a timedelta, not"):
        make(_false, interval)


@PLACES
@pytest.mark.parametrize("name", [5, True, b"name", ["name"]], ids=repr)
def test_names_that_are_none(make: Make, name: object) -> None:
    """The error names the argument and what was given."""
    with pytest.raises(TypeError) as caught:
        make(_false, condition_name=name)
    assert str(caught.value) == f"condition_name must be a str, not {name!r}"


def test_nothing_is_asked_at_construction() -> None:
    """A condition is asked when an operation is entered, not before."""
    ask = Answers(True)
    ConditionSource(ask)
    Cancelable.with_condition(ask)
    cancelable_with_condition(ask)
    assert ask.asked == []
