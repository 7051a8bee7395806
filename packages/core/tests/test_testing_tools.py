"""The recorder, the fake source and `assert_cancelled`: what they see, and what they say when they do not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import anyio
import pytest

from hother.cancelable import (
    Cancelable,
    CancelationReason,
    CancelationToken,
    DisconnectCancelation,
    ErrorCancelation,
    ManualCancelation,
)
from hother.cancelable.core.observer import everywhere
from hother.cancelable.testing import FakeSource, OperationRecorder, RecordedEvent, assert_cancelled


async def test_the_recorder_sees_every_event() -> None:
    """Start, progress, request, delivery and end of each operation are there in their order."""
    with OperationRecorder() as recorder:
        async with Cancelable(name="outer"), Cancelable(name="inner", move_on=True) as inner:
            await inner.report_progress("half")
            await inner.cancel("enough")
            await anyio.sleep(1)
    recorder.assert_events("inner", "started", "progress", "cancel_requested", "cancel_delivered", "ended")
    recorder.assert_events("outer", "started", "ended")
    recorder.assert_events("nobody")
    assert [str(event) for event in recorder.of(inner)] == [
        "'inner' started",
        "'inner' progress (half)",
        "'inner' cancel_requested (manual: enough)",
        "'inner' cancel_delivered",
        "'inner' ended (cancelled)",
    ]
    assert [operation.context.name for operation in recorder.operations] == ["outer", "inner"]
    assert everywhere == []


async def test_the_recorder_asserts_how_operations_ended() -> None:
    """Each end has its assertion, which takes the operation or its name."""
    with OperationRecorder() as recorder:
        async with Cancelable(name="good") as good:
            recorder.assert_events(good, "started")
        with pytest.raises(KeyError):
            async with Cancelable(name="bad"):
                raise KeyError
        async with Cancelable(name="late", timeout=0.001, move_on=True):
            await anyio.sleep(5)
    recorder.assert_completed(good)
    recorder.assert_failed("bad")
    recorder.assert_cancelled("late")
    recorder.assert_cancelled("late", reason=CancelationReason.TIMEOUT)
    recorder.assert_nothing_runs()


async def test_the_assertions_of_the_recorder_tell_the_story() -> None:
    """A failing assertion says what was expected, and all that has happened instead."""
    with OperationRecorder() as recorder:
        async with Cancelable(name="good"):
            claims: dict[str, Callable[[], None]] = {
                "still running: 'good'\n": recorder.assert_nothing_runs,
                "'good' should be cancelled, but is running\n": lambda: recorder.assert_cancelled("good"),
            }
            for text, claim in claims.items():
                with pytest.raises(AssertionError, match=text):
                    claim()
        async with Cancelable(name="late", timeout=0.001, move_on=True):
            await anyio.sleep(5)
    story = "what happened:\n  'good' started\n  'good' ended (completed)\n  'late' started\n"
    claims = {
        "no operation 'other' was started\n": lambda: recorder.assert_completed("other"),
        "'good' should be failed, but is completed\n": lambda: recorder.assert_failed("good"),
        "'late' was cancelled for the reason timeout, not manual\n": lambda: recorder.assert_cancelled(
            "late", reason=CancelationReason.MANUAL
        ),
        "expected of 'good': started, progress\n": lambda: recorder.assert_events("good", "started", "progress"),
        "expected of 'good': no event\n": lambda: recorder.assert_events("good"),
    }
    for text, claim in claims.items():
        with pytest.raises(AssertionError) as caught:
            claim()
        assert str(caught.value).startswith(text + story)
    with pytest.raises(ValueError, match="there is no event 'begun'; the events are started, "):
        recorder.assert_events("good", "begun")


def test_an_empty_recorder_says_that_nothing_happened() -> None:
    """Without any operation the story is short."""
    with pytest.raises(AssertionError, match=r"what happened:\n  nothing$"):
        OperationRecorder().assert_completed("anything")


async def test_the_recorder_fixture(operation_recorder: OperationRecorder) -> None:
    """The fixture records the operations of its test."""
    async with Cancelable(name="mine"):
        pass
    operation_recorder.assert_completed("mine")
    assert operation_recorder.events[0] == RecordedEvent("started", operation_recorder.operations[0])


async def test_a_fake_source_ends_its_operation() -> None:
    """It fires with its reason, name and message, and is disarmed when the operation has ended."""
    source = FakeSource(CancelationReason.DISCONNECT, name="client")
    for times in (1, 2):
        with pytest.raises(DisconnectCancelation, match="gone") as caught:
            async with Cancelable.with_source(source):
                assert source.is_armed
                source.fire("gone")
                await anyio.sleep(5)
        assert caught.value.context is not None
        assert caught.value.context.cancel_origin == "client"
        assert (source.times_armed, source.is_armed) == (times, False)


async def test_a_fake_source_fires_from_a_thread() -> None:
    """The operation's loop is woken."""
    source = FakeSource()
    async with Cancelable.with_source(source, move_on=True) as operation:
        thread = threading.Thread(target=source.fire)
        thread.start()
        await anyio.sleep(20)
    thread.join()
    assert operation.is_cancelled


async def test_a_fake_source_can_break() -> None:
    """Its error is the cause of the operation's."""
    source = FakeSource()
    with pytest.raises(ErrorCancelation) as caught:
        async with Cancelable.with_source(source):
            source.fail(OSError("no wire"))
            await anyio.sleep(5)
    assert isinstance(caught.value.__cause__, OSError)


def test_a_fake_source_that_nobody_hears() -> None:
    """Firing it without an operation is a mistake of the test, and said so."""
    source = FakeSource(name="bell")
    with pytest.raises(RuntimeError, match="bell is not armed: fire it while an operation with it runs"):
        source.fire()
    with pytest.raises(RuntimeError, match="bell is not armed"):
        source.fail(OSError())
    with pytest.raises(TypeError, match="must be a CancelationReason, not 'disconnect'"):
        FakeSource("disconnect")  # type: ignore[arg-type]


async def test_assert_cancelled_takes_the_exception() -> None:
    """The block's end, its reason and its record can be looked at afterwards."""
    with assert_cancelled(reason=CancelationReason.MANUAL, message="stop") as cancelled:
        async with Cancelable(name="job") as operation:
            await operation.cancel("stop")
            await anyio.sleep(5)
    assert isinstance(cancelled.error, ManualCancelation)
    assert cancelled.context is operation.context


async def test_assert_cancelled_says_what_is_wrong() -> None:
    """Nothing raised, another reason or another message is an AssertionError that says so."""
    with (
        pytest.raises(
            AssertionError, match="as if nothing had cancelled it; expected a cancellation with the reason SIG"
        ),
        assert_cancelled(reason=CancelationReason.SIGNAL),
    ):
        pass
    with (
        pytest.raises(AssertionError, match=r"reason TIMEOUT, but: operation 'job' was cancelled \(manual\)") as caught,
        assert_cancelled(reason=CancelationReason.TIMEOUT),
    ):
        async with Cancelable(name="job") as operation:
            await operation.cancel()
            await anyio.sleep(5)
    assert isinstance(caught.value.__cause__, ManualCancelation)
    third = "expected a cancellation and the message 'b', but: cancelled"
    with pytest.raises(AssertionError, match=third), assert_cancelled(message="b"):
        raise ManualCancelation("a")


def test_assert_cancelled_lets_other_exceptions_pass() -> None:
    """What is no cancelation of this library is not its business: least of all the backend's own."""
    for error in (KeyError(), asyncio.CancelledError(), KeyboardInterrupt()):
        with pytest.raises(type(error)) as caught, assert_cancelled():
            raise error
        assert caught.value is error


def test_misuse_of_assert_cancelled() -> None:
    """Reasons that it cannot see, and looking too early, are refused."""
    with pytest.raises(ValueError, match="leaves the block as the backend's own"):
        assert_cancelled(reason=CancelationReason.EXTERNAL)
    with pytest.raises(TypeError, match="must be a CancelationReason, not 'timeout'"):
        assert_cancelled(reason="timeout")  # type: ignore[arg-type]
    with assert_cancelled() as cancelled:
        with pytest.raises(RuntimeError, match="has not ended yet"):
            _ = cancelled.error
        token = CancelationToken()
        token.cancel_sync()
        token.check()
    with pytest.raises(RuntimeError, match="belongs to no operation"):
        _ = cancelled.context
