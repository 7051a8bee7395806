"""Providers of OpenTelemetry's SDK that keep what they are given."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

pytest.importorskip("opentelemetry.sdk", reason="telemetry is tested with opentelemetry-sdk, which is not installed")

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from hother.cancelable import add_observer, remove_observer
from hother.cancelable.registry.telemetry import TelemetryObserver


class Recording:
    """Two providers, and what has arrived there."""

    def __init__(self) -> None:
        self._spans = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.tracer_provider: TracerProvider = TracerProvider()
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self._spans))
        self.meter_provider: MeterProvider = MeterProvider([self._reader])
        self.observer: TelemetryObserver = TelemetryObserver(self.tracer_provider, self.meter_provider)

    @property
    def spans(self) -> list[ReadableSpan]:
        """What has ended, in this order."""
        return list(self._spans.get_finished_spans())

    def span(self, name: str) -> ReadableSpan:
        """Return the only span with a name."""
        [found] = [span for span in self.spans if span.name == name]
        return found

    def metrics(self) -> dict[str, Any]:
        """Return each metric by its name."""
        data = self._reader.get_metrics_data()
        found: dict[str, Any] = {}
        for resource in () if data is None else data.resource_metrics:
            for scope in resource.scope_metrics:
                found |= {metric.name: metric for metric in scope.metrics}
        return found

    def points(self, name: str) -> list[tuple[dict[str, Any], Any]]:
        """Return the attributes and values of a metric: a number, or for a histogram how often and how much."""
        metric = self.metrics().get(name)
        points = () if metric is None else metric.data.data_points
        return [
            (dict(each.attributes), (each.count, each.sum) if hasattr(each, "count") else each.value) for each in points
        ]

    def counts(self, name: str) -> list[tuple[dict[str, Any], int]]:
        """Return the attributes and values of a metric, of a histogram how often something was measured."""
        return [
            (attributes, value[0] if isinstance(value, tuple) else value) for attributes, value in self.points(name)
        ]


@contextmanager
def recording() -> Generator[Recording]:
    """Follow all operations of a test."""
    made = Recording()
    add_observer(made.observer)
    try:
        yield made
    finally:
        remove_observer(made.observer)


def attributes(span: ReadableSpan) -> Mapping[str, Any]:
    """Return the attributes of a span."""
    return {} if span.attributes is None else dict(span.attributes)


def parent_of(span: ReadableSpan) -> int | None:
    """Return the id of the span above a span."""
    return None if span.parent is None else span.parent.span_id


def id_of(span: ReadableSpan) -> int:
    """Return the id of a span."""
    assert span.context is not None
    found: int = span.context.span_id
    return found


def trace_of(span: ReadableSpan) -> int:
    """Return the id of the trace that a span is part of."""
    assert span.context is not None
    found: int = span.context.trace_id
    return found
