"""`TelemetryObserver`: a span and metrics for each operation."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import NamedTuple
from weakref import WeakKeyDictionary

from opentelemetry import metrics, trace
from opentelemetry.trace import Link, Span, StatusCode

from hother.cancelable import Cancelable, CancelationReason, Cause, Observer, OperationStatus, current_operation
from hother.cancelable.core import facts_of, observe

from .instruments import (
    CANCEL_REASON,
    CANCEL_REQUESTED_BY,
    ERROR_TYPE,
    OPERATION_ID,
    OPERATION_NAME,
    OPERATION_PARENT_ID,
    OPERATION_STATUS,
    SCOPE,
    VERSION,
    Attributes,
    Instruments,
)


class _Moment(NamedTuple):
    wall: int
    """In nanoseconds since the epoch, as spans have it."""
    clock: float
    """In seconds, on a clock that nobody sets."""

    @classmethod
    def now(cls) -> _Moment:
        return cls(time.time_ns(), time.perf_counter())


class _Followed:
    """One operation that runs."""

    __slots__ = ("around", "delivered", "name", "requested", "span", "started")

    def __init__(self, span: Span, around: Span, name: Attributes) -> None:
        self.span: Span = span
        self.around: Span = around
        """The span that was current where the operation was entered."""
        self.name: Attributes = name
        self.started: float = time.perf_counter()
        self.requested: tuple[Cause, _Moment] | None = None
        self.delivered: _Moment | None = None


class TelemetryObserver(Observer):
    """Gives each operation a span, and counts and times operations.

    Add it once, at the start of the program, with `hother.cancelable.add_observer`; operations that run when it is
    removed are followed to their end. The span `cancelable <name>` is a
    child of the span of the operation above it, or of the one that is current where the operation is entered. The name
    is an attribute of the metrics, too, so name operations after what they do and not after what they work on.

    A timeout, a failure and a broken source set the status of the span to ERROR; other cancellations leave it unset.

    The span is not made current in the body: an observer cannot take that back in each case, as a stream is left
    between its items, and possibly ended in another task, whose current span would stay wrong then. Where spans of your
    own belong below that of an operation, use `use_span`.

    Args:
        tracer_provider: Where the spans go; the global provider if it is left out.
        meter_provider: Where the metrics go; the global provider if it is left out.

    Example:
        ```python
        import anyio
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

        from hother.cancelable import Cancelable, add_observer, remove_observer
        from hother.cancelable.registry.telemetry import TelemetryObserver

        spans, provider = InMemorySpanExporter(), TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(spans))
        telemetry = TelemetryObserver(provider)
        add_observer(telemetry)


        async def main() -> None:
            async with Cancelable.with_timeout(0.05, name="report", move_on=True):
                await anyio.sleep(10)


        anyio.run(main)
        remove_observer(telemetry)
        for span in spans.get_finished_spans():
            print(span.name, span.status.status_code.name, span.status.description)
            #> cancelable report ERROR not done within 0.05 s
        ```
    """

    # OpenTelemetry's SDK takes locks that a signal handler must not wait for, and a handler may cancel. So what is
    # called from there takes note only, and the rest is told when the operation ends.

    def __init__(
        self,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
    ) -> None:
        self._tracer = trace.get_tracer(SCOPE, VERSION, tracer_provider)
        self._instruments = Instruments(metrics.get_meter(SCOPE, VERSION, meter_provider))
        self._followed: WeakKeyDictionary[Cancelable, _Followed] = WeakKeyDictionary()

    def span(self, operation: Cancelable) -> Span:
        """Return the span of an operation that runs; one that records nothing if this observer does not follow it."""
        followed = self._followed.get(operation)
        return trace.INVALID_SPAN if followed is None else followed.span

    @contextmanager
    def use_span(self, operation: Cancelable | None = None) -> Generator[Span]:
        """Make the span of an operation current: spans that are started inside belong below it.

        Args:
            operation: The operation; the innermost one that runs this code if it is left out.

        Raises:
            RuntimeError: If there is no operation.
        """
        operation = current_operation() if operation is None else operation
        if operation is None:
            raise RuntimeError("use_span() needs an operation: call it inside one, or pass one")
        span = self.span(operation)
        if span is trace.INVALID_SPAN:
            yield span
            return
        with trace.use_span(span, record_exception=False, set_status_on_exception=False):
            yield span

    def operation_started(self, operation: Cancelable) -> None:
        name, parent_id, *_ = facts_of(operation)
        attributes = {OPERATION_ID: operation.operation_id}
        if parent_id is not None:
            attributes[OPERATION_PARENT_ID] = parent_id
        by_name = {} if name is None else {OPERATION_NAME: name}
        around = trace.get_current_span()
        above = None if operation.parent is None else self._followed.get(operation.parent)
        links: list[Link] = []
        context = None
        if above is not None and around is above.around:
            context = trace.set_span_in_context(above.span)
        elif above is not None and around is not above.span:  # a span of the user's own lies between them
            links.append(Link(above.span.get_span_context()))
        span = self._tracer.start_span(
            f"cancelable {name or 'operation'}", context, attributes={**attributes, **by_name}, links=links
        )
        self._followed[operation] = _Followed(span, around, by_name)
        observe(operation, self)  # to its end, also where this observer is removed before
        self._instruments.started(by_name)

    def cancel_requested(self, operation: Cancelable, cause: Cause) -> None:
        if (followed := self._followed.get(operation)) is not None:
            followed.requested = cause, _Moment.now()

    def cancel_delivered(self, operation: Cancelable) -> None:
        if (followed := self._followed.get(operation)) is not None:
            followed.delivered = _Moment.now()

    def operation_ended(self, operation: Cancelable) -> None:
        if (followed := self._followed.pop(operation, None)) is None:
            return  # it was entered before this observer was added
        _, _, status, _, cause, error = facts_of(operation)
        span = followed.span
        try:
            self._measure(followed, status, cause)
            if span.is_recording():
                _describe(span, status, cause, error)
                _add_events(followed)
        finally:  # whatever the program's exporters and processors make of it
            span.end()

    def _measure(self, followed: _Followed, status: OperationStatus, cause: Cause | None) -> None:
        now, name = time.perf_counter(), followed.name
        reason = cause.reason.value if cause is not None and status is OperationStatus.CANCELLED else None
        context = trace.set_span_in_context(followed.span)  # so that a trace can be found from a measurement
        self._instruments.ended(name, status.value, reason, now - followed.started, context)
        if followed.requested is None:
            return
        request, asked = followed.requested
        self._instruments.requested(name, status.value, request.reason.value)
        if (told := followed.delivered) is not None:
            self._instruments.delivered(name, told.clock - asked.clock, now - told.clock)


def _describe(span: Span, status: OperationStatus, cause: Cause | None, error: str | None) -> None:
    span.set_attribute(OPERATION_STATUS, status.value)
    if cause is not None:
        span.set_attribute(CANCEL_REASON, cause.reason.value)
        if cause.origin is not None:
            span.set_attribute(CANCEL_REQUESTED_BY, cause.origin)
    if status is OperationStatus.FAILED:
        _set_error(span, (error or "").partition(":")[0], error)
    elif status is OperationStatus.CANCELLED and cause is not None:
        if cause.reason is CancelationReason.TIMEOUT:
            _set_error(span, "timeout", cause.message)
        elif cause.reason is CancelationReason.ERROR:
            _set_error(span, "" if cause.error is None else type(cause.error).__qualname__, cause.message)


def _set_error(span: Span, kind: str, description: str | None) -> None:
    span.set_attribute(ERROR_TYPE, kind or "_OTHER")
    span.set_status(StatusCode.ERROR, description)


def _add_events(followed: _Followed) -> None:
    if followed.requested is not None:
        cause, asked = followed.requested
        attributes = {CANCEL_REASON: cause.reason.value}
        if cause.origin is not None:
            attributes[CANCEL_REQUESTED_BY] = cause.origin
        followed.span.add_event("cancel.requested", attributes, asked.wall)
    if followed.delivered is not None:
        followed.span.add_event("cancel.delivered", timestamp=followed.delivered.wall)
