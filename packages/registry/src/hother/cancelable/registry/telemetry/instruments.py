"""The metrics of operations, and the names that spans and metrics share."""

from __future__ import annotations

from importlib.metadata import version
from typing import Final

from opentelemetry.context import Context
from opentelemetry.metrics import Meter

SCOPE: Final = "hother.cancelable.registry"
"""The instrumentation scope of spans and metrics."""
VERSION: Final = version("hother-cancelable-registry")
"""The version of that."""

OPERATION_ID: Final = "cancelable.operation.id"
OPERATION_NAME: Final = "cancelable.operation.name"
OPERATION_PARENT_ID: Final = "cancelable.operation.parent_id"
OPERATION_STATUS: Final = "cancelable.operation.status"
CANCEL_REASON: Final = "cancelable.cancel.reason"
CANCEL_REQUESTED_BY: Final = "cancelable.cancel.requested_by"
ERROR_TYPE: Final = "error.type"
WORKER_STATE: Final = "cancelable.worker.state"

Attributes = dict[str, str]

_LENGTHS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600)
_DELAYS = (0.0001, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Instruments:
    """The metrics of operations. Their attributes are the name, the status and the reason, and never an id."""

    def __init__(self, meter: Meter) -> None:
        self._duration = meter.create_histogram(
            "cancelable.operation.duration",
            "s",
            "How long operations ran.",
            explicit_bucket_boundaries_advisory=_LENGTHS,
        )
        self._active = meter.create_up_down_counter(
            "cancelable.operation.active", "{operation}", "How many operations run."
        )
        self._ended = meter.create_counter("cancelable.operation.ended", "{operation}", "How many have ended, and how.")
        self._requests = meter.create_counter(
            "cancelable.cancel.requests", "{request}", "How many operations were told to stop, and how they ended then."
        )
        self._delivery = meter.create_histogram(
            "cancelable.cancel.delivery.duration",
            "s",
            "From the request to stop until the operation's event loop was told.",
            explicit_bucket_boundaries_advisory=_DELAYS,
        )
        self._unwind = meter.create_histogram(
            "cancelable.cancel.unwind.duration",
            "s",
            "From there until the operation had ended.",
            explicit_bucket_boundaries_advisory=_DELAYS,
        )

    def started(self, name: Attributes) -> None:
        """Count an operation that runs now."""
        self._active.add(1, name)

    def ended(self, name: Attributes, status: str, reason: str | None, seconds: float, context: Context) -> None:
        """Count an operation that has run."""
        self._active.add(-1, name)
        attributes = {**name, OPERATION_STATUS: status}
        self._duration.record(seconds, attributes, context)
        self._ended.add(1, attributes if reason is None else {**attributes, CANCEL_REASON: reason})

    def requested(self, name: Attributes, status: str, reason: str) -> None:
        """Count a request to stop, once it is known how the operation ended."""
        self._requests.add(1, {**name, OPERATION_STATUS: status, CANCEL_REASON: reason})

    def delivered(self, name: Attributes, delivery: float, unwind: float) -> None:
        """Note how long it took to tell an operation to stop, and how long it took to stop, in seconds."""
        self._delivery.record(delivery, name)
        self._unwind.record(unwind, name)
