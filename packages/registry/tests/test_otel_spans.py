"""TelemetryObserver gives each operation a span: attributes, status, events."""

from __future__ import annotations

import threading
from typing import Any

import anyio
import anyio.to_thread
import pytest

from hother.cancelable import (
    Cancelable,
    CancelationReason,
    CancelationSource,
    CancelationToken,
    ErrorCancelation,
    TimeoutCancelation,
    add_observer,
    remove_observer,
)

from .otel_recording import Recording, attributes, recording

from opentelemetry.trace import SpanKind, StatusCode  # isort: skip


async def test_one_that_completes() -> None:
    """The span is named after the operation, has its id, and leaves the status unset."""
    with recording() as telemetry:
        async with Cancelable(name="import") as operation:
            assert telemetry.spans == []
    [span] = telemetry.spans
    assert (span.name, span.kind, span.status.status_code) == (
        "cancelable import",
        SpanKind.INTERNAL,
        StatusCode.UNSET,
    )
    assert attributes(span) == {
        "cancelable.operation.id": operation.operation_id,
        "cancelable.operation.name": "import",
        "cancelable.operation.status": "completed",
    }
    assert span.events == ()


async def test_one_without_a_name() -> None:
    """It has no name among its attributes: an id would be a name of its own for each."""
    with recording() as telemetry:
        async with Cancelable():
            pass
    assert telemetry.spans[0].name == "cancelable operation"
    assert "cancelable.operation.name" not in attributes(telemetry.spans[0])


async def test_one_that_fails() -> None:
    """The status is ERROR with the text of the exception, and `error.type` its kind."""
    with recording() as telemetry, pytest.raises(KeyError):
        async with Cancelable():
            raise KeyError("order")
    [span] = telemetry.spans
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "KeyError: 'order'")
    assert attributes(span)["error.type"] == "KeyError"


@pytest.mark.virtual_time
async def test_one_that_times_out() -> None:
    """A timeout is an error of the kind `timeout`."""
    with recording() as telemetry, pytest.raises(TimeoutCancelation):
        async with Cancelable.with_timeout(3):
            await anyio.sleep(10)
    [span] = telemetry.spans
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "not done within 3 s")
    assert attributes(span)["error.type"] == "timeout"
    assert attributes(span)["cancelable.cancel.reason"] == "timeout"


@pytest.mark.parametrize("reason", [CancelationReason.MANUAL, CancelationReason.SHUTDOWN, CancelationReason.DISCONNECT])
async def test_one_that_is_cancelled(reason: CancelationReason) -> None:
    """Somebody wanted it: the status is unset; the span has the reason, who asked, and when it was asked and told."""
    with recording() as telemetry:
        async with Cancelable(move_on=True) as operation:
            operation.cancel_sync(reason, "enough")
            await anyio.sleep_forever()
    [span] = telemetry.spans
    origin = operation.context.cancel_origin
    assert origin is not None
    assert span.status.status_code is StatusCode.UNSET
    found = attributes(span)
    assert found["cancelable.cancel.reason"] == reason.value
    assert found["cancelable.cancel.requested_by"] == origin
    assert "error.type" not in found
    requested, delivered = span.events
    assert (requested.name, delivered.name) == ("cancel.requested", "cancel.delivered")
    assert dict(requested.attributes or {}) == {
        "cancelable.cancel.reason": reason.value,
        "cancelable.cancel.requested_by": origin,
    }
    assert span.start_time is not None
    assert span.end_time is not None
    assert span.start_time <= requested.timestamp <= delivered.timestamp <= span.end_time


async def test_one_that_completes_all_the_same() -> None:
    """A request that came too late stays on the span; nothing was cancelled, so there is no error."""
    with recording() as telemetry:
        async with Cancelable() as operation:
            operation.cancel_sync(CancelationReason.TIMEOUT)
    [span] = telemetry.spans
    assert attributes(span)["cancelable.operation.status"] == "completed"
    assert span.status.status_code is StatusCode.UNSET
    assert [event.name for event in span.events] == ["cancel.requested"]


async def test_children_of_a_cancelled_one() -> None:
    """The reason of a child is `parent`, and its status unset, whatever has ended the parent."""
    with recording() as telemetry:
        async with Cancelable(name="outer", move_on=True) as outer, Cancelable(name="inner"):
            outer.cancel_sync(CancelationReason.TIMEOUT)
            await anyio.sleep_forever()
    inner = telemetry.span("cancelable inner")
    assert attributes(inner)["cancelable.cancel.reason"] == "parent"
    assert inner.status.status_code is StatusCode.UNSET


async def test_one_whose_source_breaks() -> None:
    """A safety net that is broken is an error, of the kind of its exception."""

    class Broken(CancelationSource):
        async def wait(self) -> str | None:
            raise OSError("no sensor")

    with recording() as telemetry, pytest.raises(ErrorCancelation):
        async with Cancelable.with_source(Broken()):
            await anyio.sleep_forever()
    [span] = telemetry.spans
    assert span.status.status_code is StatusCode.ERROR
    assert attributes(span)["error.type"] == "OSError"


async def test_a_request_from_a_thread() -> None:
    """The request is on the span, whichever thread it came from."""
    with recording() as telemetry:
        async with Cancelable(move_on=True) as operation:
            await anyio.to_thread.run_sync(operation.cancel_sync)
            await anyio.sleep_forever()
    assert attributes(telemetry.spans[0])["cancelable.cancel.requested_by"].startswith("thread ")


async def test_a_request_while_the_sdk_is_busy() -> None:
    """A signal handler that cancels in the midst of a call to the SDK waits for none of its locks."""
    with recording() as telemetry:
        async with Cancelable(move_on=True) as operation:
            span: Any = telemetry.observer.span(operation)
            done = threading.Event()

            def cancel() -> None:
                operation.cancel_sync()
                done.set()

            with span._lock:  # as in the midst of span.set_attribute()
                cancel_in_thread = threading.Thread(target=cancel)
                cancel_in_thread.start()
                assert done.wait(5)
                cancel_in_thread.join()
                operation.cancel_sync()
            await anyio.sleep_forever()
    assert [event.name for event in telemetry.spans[0].events] == ["cancel.requested", "cancel.delivered"]


async def test_one_that_was_entered_before() -> None:
    """An operation that ran already when the observer was added is left out, without an error."""
    telemetry = Recording()
    async with Cancelable() as operation:
        add_observer(telemetry.observer)
        try:
            operation.cancel_sync()
            assert not telemetry.observer.span(operation).is_recording()
        finally:
            async with Cancelable(detached=True, name="later"):
                pass
    remove_observer(telemetry.observer)
    assert [span.name for span in telemetry.spans] == ["cancelable later"]
    assert [value for _, value in telemetry.counts("cancelable.operation.active")] == [0]


async def test_without_a_provider(caplog: pytest.LogCaptureFixture) -> None:
    """Where the program has set up no SDK, nothing happens, and nothing is logged."""
    from hother.cancelable.registry.telemetry import TelemetryObserver

    observer = TelemetryObserver()
    add_observer(observer)
    try:
        async with Cancelable(timeout=5) as operation, Cancelable(move_on=True):
            operation.cancel_sync()
            with observer.use_span():
                pass
    finally:
        remove_observer(observer)
    assert caplog.records == []


async def test_one_token_for_many() -> None:
    """Each operation that a token ends has events of its own."""
    token = CancelationToken()
    with recording() as telemetry:
        async with anyio.create_task_group() as group:

            async def work() -> None:
                async with Cancelable.with_token(token, move_on=True):
                    await anyio.sleep_forever()

            for _ in range(5):
                group.start_soon(work)
            await anyio.wait_all_tasks_blocked()
            token.cancel_sync()
    names = [[event.name for event in span.events] for span in telemetry.spans]
    assert names == [["cancel.requested", "cancel.delivered"]] * 5
