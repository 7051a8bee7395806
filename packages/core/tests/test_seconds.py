"""Time spans as users give them."""

from __future__ import annotations

import math
from datetime import timedelta
from decimal import Decimal

import pytest

from hother.cancelable.core.seconds import positive_seconds


@pytest.mark.parametrize(
    ("given", "seconds"),
    [(3, 3.0), (0.25, 0.25), (math.inf, math.inf), (timedelta(minutes=2), 120.0), (timedelta(microseconds=1), 1e-6)],
)
def test_numbers_and_timedeltas_are_seconds(given: object, seconds: float) -> None:
    """Integers, floats and `timedelta` are read as float seconds."""
    result = positive_seconds(given, "timeout")
    assert result == seconds
    assert type(result) is float


@pytest.mark.parametrize("given", [0, 0.0, -0.0, -1, -math.inf, math.nan, timedelta(0), timedelta(seconds=-1)])
def test_what_is_not_more_than_zero_is_refused(given: object) -> None:
    """Zero, negative and NaN are ValueErrors that name the argument."""
    with pytest.raises(ValueError, match="timeout must be more than zero seconds"):
        positive_seconds(given, "timeout")


@pytest.mark.parametrize("given", [None, "3", True, False, [3], Decimal(3), 3j])
def test_what_is_no_time_span_is_refused(given: object) -> None:
    """Everything else, booleans included, is a TypeError that names the argument and shows the value."""
    with pytest.raises(TypeError, match="limit must be a number of seconds or a timedelta, not ") as caught:
        positive_seconds(given, "limit")
    assert repr(given) in str(caught.value)


def test_what_is_too_large_for_a_float_is_refused() -> None:
    """A whole number that no float can hold is a ValueError that names the argument."""
    with pytest.raises(ValueError, match="timeout must be a number of seconds that a float can hold"):
        positive_seconds(10**400, "timeout")
