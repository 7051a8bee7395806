"""The exceptions: what they say, what they are, and that they travel."""

from __future__ import annotations

import asyncio
import copy
import pickle
from collections.abc import Callable
from typing import Any

import anyio
import pytest

import hother.cancelable
from hother.cancelable import (
    Cancelable,
    CancelationError,
    CancelationReason,
    DisconnectCancelation,
    ErrorCancelation,
    ManualCancelation,
    OperationContext,
    ParentCancelation,
    TimeoutCancelation,
)
from hother.cancelable.core.exceptions import BY_REASON

CLASSES = list(BY_REASON.values())


def _pickled(error: CancelationError) -> Any:
    return pickle.loads(pickle.dumps(error))


def test_each_reason_has_a_class() -> None:
    """There is one public class for each reason, named after it, and it knows its reason."""
    assert set(BY_REASON) == set(CancelationReason)
    assert len(set(CLASSES)) == len(CLASSES)
    for reason, kind in BY_REASON.items():
        assert kind.__name__ == f"{reason.value.title()}Cancelation"
        assert getattr(hother.cancelable, kind.__name__) is kind
        assert kind().reason is reason


@pytest.mark.parametrize("kind", CLASSES)
def test_plain_classes_are_ordinary_exceptions(kind: type[CancelationError]) -> None:
    """Every class is an `Exception` under `CancelationError`, and none is a `CancelledError`."""
    assert issubclass(kind, CancelationError)
    assert issubclass(CancelationError, Exception)
    assert not issubclass(kind, asyncio.CancelledError)
    assert issubclass(kind, TimeoutError) is (kind is TimeoutCancelation)


def test_timeout_is_caught_as_a_timeout_error() -> None:
    """`except TimeoutError` catches a deadline, and it is no operating system's error number."""
    with pytest.raises(TimeoutError) as caught:
        raise TimeoutCancelation("not done within 3 s")
    assert isinstance(caught.value, TimeoutCancelation)
    assert str(caught.value) == "cancelled (timeout): not done within 3 s"
    assert caught.value.errno is None


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ManualCancelation(), "cancelled (manual)"),
        (ManualCancelation("enough"), "cancelled (manual): enough"),
        (ManualCancelation("enough", context=OperationContext("7")), "operation '7' was cancelled (manual): enough"),
        (
            DisconnectCancelation(context=OperationContext("7", "upload")),
            "operation 'upload' was cancelled (disconnect)",
        ),
        (CancelationError("enough", reason=CancelationReason.SHUTDOWN), "cancelled (shutdown): enough"),
        (CancelationError(), "cancelled (manual)"),
    ],
)
def test_text(error: CancelationError, text: str) -> None:
    """The text tells which operation, why, and what was said about it, as far as it is known."""
    assert str(error) == text


@pytest.mark.parametrize("duplicate", [_pickled, copy.copy, copy.deepcopy])
@pytest.mark.parametrize("kind", [CancelationError, *CLASSES])
@pytest.mark.parametrize("message", [None, "enough"])
def test_all_travel(
    kind: type[CancelationError], message: str | None, duplicate: Callable[[CancelationError], CancelationError]
) -> None:
    """Every class can be pickled and copied, and says the same afterwards."""
    context = OperationContext("7", "work", cause=OperationContext("6"), metadata={"user": 1})
    error = kind(message, reason=CancelationReason.SIGNAL, context=context)
    again = duplicate(error)
    assert type(again) is kind
    assert (again.reason, again.message, str(again)) == (error.reason, message, str(error))
    assert again.context is not None
    assert again.context.to_dict() == context.to_dict()


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
async def test_exception_that_has_left_a_block_travels(protocol: int) -> None:
    """What an operation raised can be pickled, and gives the plain class with the whole record."""
    with pytest.raises(ManualCancelation) as caught:
        async with Cancelable(name="work") as operation:
            await _stop(operation)
    again = pickle.loads(pickle.dumps(caught.value, protocol))
    assert type(again) is ManualCancelation
    assert str(again) == str(caught.value) == "operation 'work' was cancelled (manual): enough"
    assert again.context is not None
    assert again.context.to_dict() == operation.context.to_dict()


async def _stop(operation: Cancelable) -> None:
    await operation.cancel("enough")
    await anyio.sleep_forever()


async def test_exception_of_a_child_travels_with_its_ancestor() -> None:
    """A `ParentCancelation` carries the record of the ancestor that was told to stop."""
    parent = Cancelable(operation_id="up")
    await parent.cancel("stop")
    with pytest.raises(ParentCancelation) as caught:
        async with Cancelable(parent=parent):
            await anyio.sleep_forever()
    again = _pickled(caught.value)
    assert again.message == "stop"
    assert isinstance(again.context.cause, OperationContext)
    assert again.context.cause.id == "up"


def test_message_may_be_left_out() -> None:
    """A reason's class needs no argument, and keeps what it is given by name."""
    error = ErrorCancelation()
    assert (error.reason, error.message, error.context) == (CancelationReason.ERROR, None, None)
    context = OperationContext("7")
    assert ErrorCancelation(context=context).context is context
