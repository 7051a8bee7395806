"""Gauges of a registry: its workers, and its connection to the shared store."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Iterable
from typing import Any

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

from hother.cancelable.registry.errors import BackendUnavailable
from hother.cancelable.registry.records import WorkerState
from hother.cancelable.registry.registry import OperationRegistry
from hother.cancelable.registry.thread_safe import ThreadSafeRegistry

from .instruments import SCOPE, VERSION, WORKER_STATE


def observe_registry(registry: OperationRegistry, meter_provider: metrics.MeterProvider | None = None) -> None:
    """Measure a registry with a shared store each time that metrics are collected; call it once for each provider.

    `cancelable.registry.workers` tells of all processes, and is the same in each of them: take its maximum, not its
    sum. `cancelable.registry.queue.length` (what waits to be written), `cancelable.registry.heartbeat.age` (seconds
    since the store has last answered) and `cancelable.registry.backend.errors` tell of this process. A registry without
    a shared store gives nothing. The store is asked in the thread that collects.

    Args:
        registry: The registry; it is not kept alive.
        meter_provider: Where the metrics go; the global provider if it is left out.

    Raises:
        TypeError: If it is no `OperationRegistry`.
    """
    if not isinstance(registry, OperationRegistry):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"registry must be an OperationRegistry, not {registry!r}")
    gauges = _Gauges(registry)
    meter = metrics.get_meter(SCOPE, VERSION, meter_provider)
    meter.create_observable_up_down_counter(
        "cancelable.registry.workers", [gauges.workers], "{worker}", "How many processes take part, by state."
    )
    meter.create_observable_counter(
        "cancelable.registry.backend.errors", [gauges.errors], "{error}", "How often the shared store gave no answer."
    )
    meter.create_observable_gauge(
        "cancelable.registry.queue.length", [gauges.queue], "{item}", "How much waits to be written."
    )
    meter.create_observable_gauge(
        "cancelable.registry.heartbeat.age", [gauges.heartbeat], "s", "How long ago the shared store has answered."
    )


class _Gauges:
    """Looks at a registry when metrics are collected."""

    def __init__(self, registry: OperationRegistry) -> None:
        self._registry = weakref.ref(registry)  # nothing takes a callback off a meter again

    def workers(self, options: CallbackOptions) -> Iterable[Observation]:
        registry = self._registry()
        if registry is None or registry.engine.backend is None:
            return []
        try:
            found = Counter(worker.state for worker in ThreadSafeRegistry(registry).workers())
        except BackendUnavailable:
            return []  # not known is not zero
        return [Observation(found[state], {WORKER_STATE: state.value}) for state in WorkerState]

    def errors(self, options: CallbackOptions) -> Iterable[Observation]:
        return self._health("errors")

    def queue(self, options: CallbackOptions) -> Iterable[Observation]:
        return self._health("queue")

    def heartbeat(self, options: CallbackOptions) -> Iterable[Observation]:
        return self._health("heartbeat_age")

    def _health(self, key: str) -> list[Observation]:
        registry = self._registry()
        if registry is None or registry.engine.backend is None:
            return []
        health: dict[str, Any] = ThreadSafeRegistry(registry).health()
        value = health.get(key)
        return [] if value is None else [Observation(value)]
