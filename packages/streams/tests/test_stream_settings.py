"""Options that make no sense are refused where the stream is made."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest

from hother.cancelable import Cancelable, cancelable_stream
from hother.cancelable.streams.settings import Settings, positive_count

from .shared import count


@pytest.mark.parametrize("name", ["timeout", "item_timeout"])
@pytest.mark.parametrize(
    "value", [0, 0.0, -1, -0.5, math.nan, -math.inf, timedelta(0), timedelta(seconds=-1)], ids=repr
)
def test_a_time_that_is_not_positive(name: str, value: float) -> None:
    """Zero, negative and NaN are refused, with the name of the argument."""
    options: dict[str, Any] = {name: value}
    with pytest.raises(ValueError, match=f"^{name} must be more than zero seconds"):
        cancelable_stream(count(), **options)
    with pytest.raises(ValueError, match=f"^{name} must be"):
        Cancelable().stream(count(), **options)


@pytest.mark.parametrize("name", ["timeout", "item_timeout"])
@pytest.mark.parametrize("value", ["5", True, False, [5], 5j], ids=repr)
def test_a_time_that_is_none(name: str, value: Any) -> None:
    """Only numbers and `timedelta` are times."""
    options: dict[str, Any] = {name: value}
    with pytest.raises(TypeError, match=f"^{name} must be a number of seconds or a timedelta"):
        cancelable_stream(count(), **options)


@pytest.mark.parametrize("name", ["report_interval", "buffer_limit"])
def test_a_number_of_items(name: str) -> None:
    """It is a whole number from one on."""
    for value in (0, -1):
        options: dict[str, Any] = {name: value}
        with pytest.raises(ValueError, match=f"^{name} must be at least 1, not {value}"):
            cancelable_stream(count(), **options)
    for wrong in (1.0, "1", True, False, math.nan, [1]):
        options = {name: wrong}
        with pytest.raises(TypeError, match=f"^{name} must be a whole number, not "):
            cancelable_stream(count(), **options)
    cancelable_stream(count(), **{name: 1})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"token": "token"}, "token must be a CancelationToken, not 'token'"),
        ({"token": Cancelable(name="job")}, "token must be a CancelationToken, not <Cancelable"),
        ({"gate": True}, "gate must be a PauseGate, not True"),
        ({"on_progress": "print"}, "on_progress must be a function of a count and an item, not 'print'"),
        ({"name": 3}, "name must be a str, not 3"),
        ({"operation_id": 3}, "operation_id must be a str, not 3"),
        ({"buffer_partial": 0}, "buffer_partial must be a bool, not 0"),
        ({"buffer_limit": None}, "buffer_limit must be a whole number, not None"),
    ],
    ids=["token", "operation", "gate", "function", "name", "id", "buffer", "limit"],
)
def test_an_option_of_another_kind(options: dict[str, Any], text: str) -> None:
    """The error names the argument, what it should be, and what it is."""
    with pytest.raises(TypeError, match=f"^{text}"):
        cancelable_stream(count(), **options)


def test_only_the_stream_and_the_operation_are_positional() -> None:
    """The options are given by name."""
    with pytest.raises(TypeError, match="positional"):
        cancelable_stream(count(), None, 5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def test_what_options_ask_for() -> None:
    """A limit, token, name or id asks for an operation; buffer, interval and function for a look at each item."""
    assert not Settings().need_operation
    assert not Settings().need_reporter
    assert Settings().limits() is None
    assert Settings(timeout=5).limits() is not None
    for_operation: list[dict[str, Any]] = [
        {"timeout": 5},
        {"item_timeout": 5},
        {"name": ""},
        {"operation_id": "1"},
    ]
    for options in for_operation:
        assert Settings(**options).need_operation
        assert not Settings(**options).need_reporter
    for_a_look: list[dict[str, Any]] = [{"buffer_partial": True}, {"report_interval": 1}, {"on_progress": print}]
    for options in for_a_look:
        assert Settings(**options).need_reporter
        assert not Settings(**options).need_operation
    positive_count(10**12, "size")
