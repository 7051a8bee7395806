"""What a source may say when it fires: a message, nothing, a whole record, or that it is broken."""

from __future__ import annotations

import threading
from typing import Any

import anyio
import pytest

from hother.cancelable import (
    Cancelable,
    CancelationReason,
    CancelationSource,
    Cause,
    DisconnectCancelation,
    ErrorCancelation,
    Fire,
    SignalCancelation,
)
from hother.cancelable.core import Disarm

from .wires import Wire

NO_OUTCOMES: list[Any] = [True, False, 0, 3, 1.5, b"bytes", ("a", "b"), OSError("lost")]


class Saying(CancelationSource):
    """Returns an outcome from `wait`."""

    def __init__(self, outcome: Any) -> None:
        self.outcome = outcome

    async def wait(self) -> str | Cause | None:
        return self.outcome  # type: ignore[no-any-return]


@pytest.mark.parametrize("message", ["cut", "", None])
async def test_a_message_or_none(message: str | None) -> None:
    """The record has the message, with the reason of the class and the name of the source."""
    wire, start = Wire(), anyio.current_time()
    with pytest.raises(DisconnectCancelation):
        async with Cancelable.with_source(wire) as operation:
            wire.fire(message)
            await anyio.sleep_forever()
    cause = operation.token.cause
    assert cause is not None
    assert cause[:3] == (CancelationReason.DISCONNECT, message, "the wire")
    assert start <= cause.time <= anyio.current_time()


async def test_fire_without_arguments() -> None:
    """No message need be given."""
    wire = Wire()
    async with Cancelable.with_source(wire, move_on=True) as operation:
        wire.fire()
        await anyio.sleep_forever()
    assert operation.token.cause is not None
    assert operation.token.cause[:3] == (CancelationReason.DISCONNECT, None, "the wire")


async def test_a_whole_record_is_kept_as_it_is() -> None:
    """A `Cause` is what goes on record: reason, message, origin, time and all, whatever the source is called."""
    wire, error = Wire(), OSError("behind it")
    said = Cause(CancelationReason.SIGNAL, "received SIGHUP", "elsewhere", 12.5, error)
    with pytest.raises(SignalCancelation, match="received SIGHUP") as caught:
        async with Cancelable.with_source(wire) as operation:
            wire.fire(said)
            await anyio.sleep_forever()
    assert operation.token.cause is said
    assert caught.value.__cause__ is error
    context = operation.context
    assert (context.cancel_reason, context.cancel_message, context.cancel_origin) == said[:3]
    assert context.cause is error


@pytest.mark.parametrize("armed", [True, False])
async def test_the_time_of_a_whole_record_is_filled_in(armed: bool) -> None:
    """A `Cause` without a time gets that of the loop, and keeps everything else; from `fire` and from `wait`."""
    said = Cause(CancelationReason.SHUTDOWN, "closing time", "the house")
    wire, start = Wire(), anyio.current_time()
    async with Cancelable.with_source(wire if armed else Saying(said), move_on=True) as operation:
        if armed:
            wire.fire(said)
        await anyio.sleep_forever()
    cause = operation.token.cause
    assert cause is not None
    assert cause._replace(time=0.0) == said
    assert start <= cause.time <= anyio.current_time()


@pytest.mark.parametrize("outcome", [None, "done", Cause(CancelationReason.SIGNAL, "a", "b", 3.25)])
async def test_what_wait_may_return(outcome: Any) -> None:
    """A coroutine says the same as `fire` may be told."""
    async with Cancelable.with_source(Saying(outcome), move_on=True) as operation:
        await anyio.sleep_forever()
    cause = operation.token.cause
    assert cause is not None
    if isinstance(outcome, Cause):
        assert cause is outcome
    else:
        assert cause[:3] == (CancelationReason.CONDITION, outcome, "Saying")


@pytest.mark.parametrize("outcome", NO_OUTCOMES, ids=repr)
@pytest.mark.parametrize("armed", [True, False])
async def test_anything_else_means_that_the_source_is_broken(armed: bool, outcome: Any) -> None:
    """The operation ends with the reason ERROR, and a TypeError as cause that names the value."""
    wire = Wire()
    with pytest.raises(ErrorCancelation) as caught:
        async with Cancelable.with_source(wire if armed else Saying(outcome)) as operation:
            if armed:
                wire.fire(outcome)
            await anyio.sleep_forever()
    error = caught.value.__cause__
    assert isinstance(error, TypeError)
    assert str(error) == f"a source gives a message or None, not {outcome!r}"
    assert operation.context.cancel_reason is CancelationReason.ERROR
    assert operation.context.cancel_origin == ("the wire" if armed else "Saying")


@pytest.mark.parametrize("error", [OSError("wire cut"), KeyboardInterrupt()], ids=repr)
async def test_a_source_that_says_it_is_broken(error: BaseException) -> None:
    """`fire.fail` ends the operation with the reason ERROR; the error is the cause of what leaves the block."""
    wire, start = Wire(), anyio.current_time()
    with pytest.raises(ErrorCancelation) as caught:
        async with Cancelable.with_source(wire) as operation:
            wire.fire.fail(error)
            await anyio.sleep_forever()
    assert caught.value.message == f"the wire failed: {error!r}"
    assert caught.value.__cause__ is error
    assert operation.context.cause is error
    cause = operation.token.cause
    assert cause is not None
    assert cause[:3] == (CancelationReason.ERROR, f"the wire failed: {error!r}", "the wire")
    assert start <= cause.time <= anyio.current_time()


async def test_only_the_first_word_counts() -> None:
    """Whatever a source says later changes nothing."""
    wire = Wire()
    with pytest.raises(DisconnectCancelation, match="first"):
        async with Cancelable.with_source(wire) as operation:
            wire.fire("first")
            wire.fire.fail(OSError("second"))
            wire.fire(Cause(CancelationReason.SIGNAL, "third"))
            wire.fire("fourth")
            await anyio.sleep_forever()
    assert operation.context.cancel_message == "first"


async def test_firing_while_it_is_armed() -> None:
    """A source whose event has come already fires at once: the body is interrupted at its first checkpoint."""

    class Early(Wire):
        def arm(self, fire: Fire) -> Disarm:
            fire("long ago")
            return super().arm(fire)

    wire, reached = Early(), list[str]()
    with pytest.raises(DisconnectCancelation, match="long ago"):
        async with Cancelable.with_source(wire):
            reached.append("the body")
            await anyio.sleep_forever()
    assert reached == ["the body"]
    assert wire.log == ["armed", "disarmed"]


async def test_a_whole_record_from_a_thread() -> None:
    """`fire` may be called from any thread, with a record, too; the loop is woken."""
    wire, said = Wire(), Cause(CancelationReason.SIGNAL, "from afar", "a thread", 7.5)
    with anyio.fail_after(10), pytest.raises(SignalCancelation, match="from afar"):
        async with Cancelable.with_source(wire) as operation:
            thread = threading.Thread(target=wire.fire, args=(said,))
            thread.start()
            await anyio.sleep_forever()
    thread.join()
    assert operation.token.cause is said
