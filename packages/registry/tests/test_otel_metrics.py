"""TelemetryObserver counts and times operations, without an id among the attributes."""

from __future__ import annotations

import anyio
import pytest

from hother.cancelable import Cancelable, CancelationReason

from .otel_recording import id_of, recording

NAME, STATUS, REASON = "cancelable.operation.name", "cancelable.operation.status", "cancelable.cancel.reason"


async def test_what_runs() -> None:
    """`active` goes up at entry and down at the end, by name."""
    with recording() as telemetry:
        async with Cancelable(name="a"), Cancelable(name="a"), Cancelable(name="b"), Cancelable():
            assert telemetry.counts("cancelable.operation.active") == [({NAME: "a"}, 2), ({NAME: "b"}, 1), ({}, 1)]
        assert telemetry.counts("cancelable.operation.active") == [({NAME: "a"}, 0), ({NAME: "b"}, 0), ({}, 0)]


async def test_what_has_ended() -> None:
    """`ended` counts by name, status and, for what was cancelled, reason; `duration` by name and status."""
    with recording() as telemetry:
        for _ in range(2):
            async with Cancelable(name="a"):
                pass
        with pytest.raises(KeyError):
            async with Cancelable(name="a"):
                raise KeyError
        async with Cancelable(name="b", move_on=True) as operation:
            operation.cancel_sync(CancelationReason.SHUTDOWN)
            await anyio.sleep_forever()
        async with Cancelable(name="b") as operation:
            operation.cancel_sync()  # and completes all the same
    assert telemetry.counts("cancelable.operation.ended") == [
        ({NAME: "a", STATUS: "completed"}, 2),
        ({NAME: "a", STATUS: "failed"}, 1),
        ({NAME: "b", STATUS: "cancelled", REASON: "shutdown"}, 1),
        ({NAME: "b", STATUS: "completed"}, 1),
    ]
    assert telemetry.counts("cancelable.operation.duration") == [
        ({NAME: "a", STATUS: "completed"}, 2),
        ({NAME: "a", STATUS: "failed"}, 1),
        ({NAME: "b", STATUS: "cancelled"}, 1),
        ({NAME: "b", STATUS: "completed"}, 1),
    ]


async def test_requests_to_stop() -> None:
    """Each operation that was told to stop counts once, with what has become of it, and how long it took."""
    with recording() as telemetry:
        async with Cancelable(name="a", move_on=True) as operation:
            operation.cancel_sync(CancelationReason.SHUTDOWN)
            operation.cancel_sync("again")
            await anyio.sleep_forever()
        async with Cancelable(name="a") as operation:
            operation.cancel_sync()
        async with Cancelable(name="a"):
            pass
    assert telemetry.counts("cancelable.cancel.requests") == [
        ({NAME: "a", STATUS: "cancelled", REASON: "shutdown"}, 1),
        ({NAME: "a", STATUS: "completed", REASON: "manual"}, 1),
    ]
    assert telemetry.counts("cancelable.cancel.delivery.duration") == [({NAME: "a"}, 1)]  # the other was not told
    assert telemetry.counts("cancelable.cancel.unwind.duration") == [({NAME: "a"}, 1)]


async def test_an_end_that_nobody_asked_the_operation_for() -> None:
    """A scope that is not ours is no request; it counts with its reason among what has ended."""
    with recording() as telemetry:
        with anyio.CancelScope() as scope:
            async with Cancelable(name="a"):
                scope.cancel()
                await anyio.sleep_forever()
    assert telemetry.counts("cancelable.cancel.requests") == []
    [(attributes, _)] = telemetry.counts("cancelable.operation.ended")
    assert attributes == {NAME: "a", STATUS: "cancelled", REASON: "external"}


async def test_how_long_it_takes() -> None:
    """Durations are in seconds of real time: asked, told and ended follow one another."""
    with recording() as telemetry:
        async with Cancelable(move_on=True) as operation:
            await anyio.sleep(0.02)
            operation.cancel_sync()
            try:
                await anyio.sleep_forever()
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(0.03)
    [(_, (_, duration))] = telemetry.points("cancelable.operation.duration")
    [(_, (_, delivery))] = telemetry.points("cancelable.cancel.delivery.duration")
    [(_, (_, unwind))] = telemetry.points("cancelable.cancel.unwind.duration")
    assert 0 <= delivery <= duration - unwind
    assert unwind >= 0.025
    assert duration >= 0.045


async def test_units() -> None:
    """The names, units and kinds of the metrics are what operators read in the documents."""
    with recording() as telemetry:
        async with Cancelable(move_on=True) as operation:
            operation.cancel_sync()
            await anyio.sleep_forever()
    found = {name: (metric.unit, type(metric.data).__name__) for name, metric in telemetry.metrics().items()}
    assert found == {
        "cancelable.operation.duration": ("s", "Histogram"),
        "cancelable.operation.active": ("{operation}", "Sum"),
        "cancelable.operation.ended": ("{operation}", "Sum"),
        "cancelable.cancel.requests": ("{request}", "Sum"),
        "cancelable.cancel.delivery.duration": ("s", "Histogram"),
        "cancelable.cancel.unwind.duration": ("s", "Histogram"),
    }
    active, ended = (
        telemetry.metrics()["cancelable.operation.active"],
        telemetry.metrics()["cancelable.operation.ended"],
    )
    assert (active.data.is_monotonic, ended.data.is_monotonic) == (False, True)
    [point] = telemetry.metrics()["cancelable.operation.duration"].data.data_points
    assert point.explicit_bounds[1] < 1  # the boundaries by default are made for milliseconds


async def test_the_span_of_a_measurement() -> None:
    """A duration leads to the trace of its operation."""
    with recording() as telemetry:
        async with Cancelable():
            pass
    [point] = telemetry.metrics()["cancelable.operation.duration"].data.data_points
    assert [each.span_id for each in point.exemplars] == [id_of(telemetry.spans[0])]
