"""Spans of operations nest as the operations do, within the spans that are current where they are entered."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncGenerator

import anyio
import pytest

from hother.cancelable import Cancelable, cancelable

from .otel_recording import attributes, id_of, parent_of, recording, trace_of

from opentelemetry import trace  # isort: skip


async def test_nested_operations() -> None:
    """The span of an inner operation lies below that of the outer one, in one trace, and names it."""
    with recording() as telemetry:
        async with Cancelable(name="outer") as outer, Cancelable(name="inner"):
            pass
    inner_span, outer_span = telemetry.spans
    assert parent_of(inner_span) == id_of(outer_span)
    assert trace_of(inner_span) == trace_of(outer_span)
    assert attributes(inner_span)["cancelable.operation.parent_id"] == outer.operation_id
    assert parent_of(outer_span) is None
    assert "cancelable.operation.parent_id" not in attributes(outer_span)


async def test_children_in_other_tasks() -> None:
    """An operation in a task that was started inside another one lies below it, too."""
    with recording() as telemetry:

        async def work() -> None:
            async with Cancelable(name="inner"):
                await anyio.lowlevel.checkpoint()

        async with Cancelable(name="outer"), anyio.create_task_group() as group:
            group.start_soon(work)
            group.start_soon(work)
    *inner, outer = telemetry.spans
    assert [parent_of(span) for span in inner] == [id_of(outer)] * 2


async def test_below_the_current_span() -> None:
    """An outermost operation lies below the span that is current where it is entered, and inner ones below it."""
    with recording() as telemetry:
        tracer = telemetry.tracer_provider.get_tracer("program")
        with tracer.start_as_current_span("request"):
            async with Cancelable(name="outer"), Cancelable(name="inner"):
                pass
    inner, outer, request = telemetry.spans
    assert parent_of(outer) == id_of(request)
    assert parent_of(inner) == id_of(outer)


async def test_a_span_of_the_program_between_two() -> None:
    """Where the program has opened a span inside the outer operation, the inner one lies below that; a link remains."""
    with recording() as telemetry:
        tracer = telemetry.tracer_provider.get_tracer("program")
        async with Cancelable(name="outer"):
            with tracer.start_as_current_span("query"):
                async with Cancelable(name="inner"):
                    pass
    inner, query, outer = telemetry.spans
    assert parent_of(inner) == id_of(query)
    assert [link.context.span_id for link in inner.links] == [id_of(outer)]


async def test_a_detached_operation() -> None:
    """It is no child, so its span lies below the current one alone."""
    with recording() as telemetry:
        async with Cancelable(name="outer"), Cancelable(name="inner", detached=True):
            pass
    inner, _ = telemetry.spans
    assert (parent_of(inner), inner.links) == (None, ())


async def test_the_current_span_stays_what_it_was() -> None:
    """An operation makes no span current, neither inside nor afterwards."""
    with recording():
        async with Cancelable():
            assert trace.get_current_span() is trace.INVALID_SPAN
        assert trace.get_current_span() is trace.INVALID_SPAN


async def test_use_span() -> None:
    """`use_span` puts spans of the program, and operations, below that of the innermost operation."""
    with recording() as telemetry:
        tracer = telemetry.tracer_provider.get_tracer("program")
        async with Cancelable(name="outer"):
            with telemetry.observer.use_span() as span:
                assert trace.get_current_span() is span
                with tracer.start_as_current_span("query"):
                    pass
                async with Cancelable(name="inner"):
                    pass
            assert trace.get_current_span() is trace.INVALID_SPAN
    query, inner, outer = telemetry.spans
    assert parent_of(query) == parent_of(inner) == id_of(outer)
    assert inner.links == ()


async def test_use_span_of_another_operation() -> None:
    """The operation can be named; an exception inside is not recorded twice."""
    with recording() as telemetry:
        tracer = telemetry.tracer_provider.get_tracer("program")
        async with Cancelable(name="outer") as outer, Cancelable(name="inner"):
            with pytest.raises(KeyError), telemetry.observer.use_span(outer):
                with tracer.start_as_current_span("query"):
                    pass
                raise KeyError
    outer_span = telemetry.span("cancelable outer")
    assert parent_of(telemetry.span("query")) == id_of(outer_span)
    assert outer_span.events == ()
    assert outer_span.status.is_unset


async def test_use_span_without_an_operation() -> None:
    """Outside any operation it says what to do; an operation that is not followed changes nothing."""
    with recording() as telemetry:
        pass
    with pytest.raises(RuntimeError, match="call it inside one, or pass one"), telemetry.observer.use_span():
        pass
    async with Cancelable():
        with telemetry.observer.use_span() as span:
            assert not span.is_recording()


async def test_a_generator_that_is_driven_step_by_step() -> None:
    """Between its steps the consumer's current span is its own; the span ends with the generator, in whichever task."""
    with recording() as telemetry:
        tracer = telemetry.tracer_provider.get_tracer("program")

        @cancelable(name="numbers")
        async def numbers() -> AsyncGenerator[int]:
            for number in range(10):
                async with Cancelable(name="step"):
                    pass
                yield number

        generator = numbers()
        assert await anext(generator) == 0
        with tracer.start_as_current_span("consumer"):
            assert await anext(generator) == 1
        assert trace.get_current_span() is trace.INVALID_SPAN
        async with anyio.create_task_group() as group:
            group.start_soon(generator.aclose)
    span = telemetry.span("cancelable numbers")
    assert parent_of(telemetry.span("consumer")) is None
    first, second = [each for each in telemetry.spans if each.name == "cancelable step"]
    assert parent_of(first) == id_of(span)
    assert [link.context.span_id for link in second.links] == [id_of(span)]
    assert attributes(span)["cancelable.operation.status"] == "completed"


@pytest.mark.loops("asyncio", "uvloop", "eager")
async def test_an_operation_that_is_left_in_another_task() -> None:
    """It has failed, and so has its span, which ends there."""
    with recording() as telemetry:
        operation = Cancelable(name="report")

        async def enter() -> None:
            await operation.__aenter__()

        await asyncio.create_task(enter())
        with pytest.raises(RuntimeError, match="left in another task"):
            await operation.__aexit__(None, None, None)
    span = telemetry.span("cancelable report")
    assert attributes(span)["cancelable.operation.status"] == "failed"
    assert attributes(span)["error.type"] == "RuntimeError"


async def test_nothing_is_kept() -> None:
    """After its end neither the observer nor a span holds an operation."""
    with recording() as telemetry:
        operation = Cancelable()
        async with operation:
            pass
        assert len(telemetry.observer._followed) == 0
        gone = weakref.ref(operation)
        del operation
        gc.collect()
        assert gone() is None
