"""What else is observed where something fails: exporters, processors, meters; and an observer that is removed."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import pytest

from hother.cancelable import Cancelable, add_observer, remove_observer

from .otel_recording import Recording, attributes, recording

from hother.cancelable.registry.telemetry import TelemetryObserver  # isort: skip
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider  # isort: skip
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult  # isort: skip

ACTIVE = "cancelable.operation.active"


class BrokenExporter(SpanExporter):
    """Reaches nobody."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        raise ConnectionError("nobody there")


class BrokenProcessor(SpanProcessor):
    """Cannot begin a span."""

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        raise RuntimeError("no more spans")


@pytest.mark.parametrize("broken", [SimpleSpanProcessor(BrokenExporter()), BrokenProcessor()], ids=["export", "start"])
@pytest.mark.loops("asyncio", "trio")
async def test_spans_that_get_nowhere(broken: SpanProcessor, caplog: pytest.LogCaptureFixture) -> None:
    """Operations run as ever where spans cannot be begun or exported."""
    provider = TracerProvider()
    provider.add_span_processor(broken)
    observer = TelemetryObserver(provider, Recording().meter_provider)
    add_observer(observer)
    try:
        async with Cancelable(name="import", move_on=True) as operation:
            await operation.cancel("enough")
    finally:
        remove_observer(observer)
    assert operation.is_completed
    assert all(each.levelno == logging.ERROR for each in caplog.records)


async def test_measuring_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A span ends with its operation also where the metrics fail."""

    def fail(*_given: object) -> None:
        raise RuntimeError("no meter")

    monkeypatch.setattr("hother.cancelable.registry.telemetry.instruments.Instruments.ended", fail)
    with recording() as telemetry:
        async with Cancelable(name="import"):
            pass
    assert [span.name for span in telemetry.spans] == ["cancelable import"]


async def test_an_observer_that_is_removed() -> None:
    """Operations that run then are followed to their end, so that no span stays open; later ones are not."""
    with recording() as telemetry:
        first = Cancelable(name="first")
        await first.__aenter__()
    async with Cancelable(name="second"):
        pass
    await first.__aexit__(None, None, None)
    [span] = telemetry.spans
    assert (span.name, attributes(span)["cancelable.operation.status"]) == ("cancelable first", "completed")
    assert telemetry.points(ACTIVE) == [({"cancelable.operation.name": "first"}, 0)]


async def test_an_observer_that_is_added_again() -> None:
    """Adding it twice is refused; taken back and added anew in the midst, it counts nothing twice."""
    with recording() as telemetry:
        with pytest.raises(ValueError, match="is an observer already"):
            add_observer(telemetry.observer)
        async with Cancelable(name="import"):
            remove_observer(telemetry.observer)
            add_observer(telemetry.observer)
    assert len(telemetry.spans) == 1
    assert [value for _, value in telemetry.points("cancelable.operation.ended")] == [1]


async def test_who_has_made_it() -> None:
    """Spans name the package and its version as their scope."""
    with recording() as telemetry:
        async with Cancelable():
            pass
    scope = telemetry.spans[0].instrumentation_scope
    assert scope is not None
    assert (scope.name, scope.version) == ("hother.cancelable.registry", version("hother-cancelable-registry"))
