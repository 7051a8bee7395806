"""observe_registry measures a registry with a shared store: workers, queue, heartbeat, errors."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from typing import Any, cast

import pytest

from hother.cancelable.registry import (
    Backend,
    BackendUnavailable,
    Local,
    OperationRegistry,
    WorkerRecord,
    WorkerState,
)

from .otel_recording import Recording

from hother.cancelable.registry.telemetry import observe_registry  # isort: skip

WORKERS = "cancelable.registry.workers"
STATE = "cancelable.worker.state"


class Store:
    """What the gauges ask of a backend."""

    worker = "w1"

    def __init__(self) -> None:
        self.states = [WorkerState.UP, WorkerState.UP, WorkerState.LOST]
        self.is_away = False
        self.facts: dict[str, Any] = {"available": True, "queue": 3, "heartbeat_age": 1.5, "error": None, "errors": 7}

    def attach(self, local: Local) -> None:
        pass

    def workers(self) -> list[WorkerRecord]:
        if self.is_away:
            raise BackendUnavailable("no answer")
        return [WorkerRecord(str(n), "host", n, state, "0.1.0", 0, 0, 0, None) for n, state in enumerate(self.states)]

    def health(self) -> dict[str, Any]:
        return self.facts


def with_store(store: Store) -> OperationRegistry:
    """Make a registry with this store."""
    return OperationRegistry(cast("Backend", store))


def test_workers_by_state() -> None:
    """Each state is told, also where there is none in it, so that a graph comes back to zero."""
    telemetry, store = Recording(), Store()
    registry = with_store(store)
    observe_registry(registry, telemetry.meter_provider)
    assert telemetry.points(WORKERS) == [({STATE: "up"}, 2), ({STATE: "suspect"}, 0), ({STATE: "lost"}, 1)]
    store.states = [WorkerState.SUSPECT]
    assert telemetry.points(WORKERS) == [({STATE: "up"}, 0), ({STATE: "suspect"}, 1), ({STATE: "lost"}, 0)]


def test_the_connection() -> None:
    """What waits to be written, how long ago the store has answered, and how often it did not."""
    telemetry = Recording()
    registry = with_store(Store())
    observe_registry(registry, telemetry.meter_provider)
    assert telemetry.points("cancelable.registry.queue.length") == [({}, 3)]
    assert telemetry.points("cancelable.registry.heartbeat.age") == [({}, 1.5)]
    assert telemetry.points("cancelable.registry.backend.errors") == [({}, 7)]
    units = {name: metric.unit for name, metric in telemetry.metrics().items()}
    assert units == {
        "cancelable.registry.workers": "{worker}",
        "cancelable.registry.backend.errors": "{error}",
        "cancelable.registry.queue.length": "{item}",
        "cancelable.registry.heartbeat.age": "s",
    }


def test_a_store_that_is_away(caplog: pytest.LogCaptureFixture) -> None:
    """What is not known is left out, and not told as zero; the rest is measured on, and nothing is logged."""
    telemetry, store = Recording(), Store()
    store.is_away = True
    store.facts = {"available": False, "queue": 12, "heartbeat_age": None, "error": "no answer"}
    registry = with_store(store)
    observe_registry(registry, telemetry.meter_provider)
    assert telemetry.points(WORKERS) == []
    assert telemetry.points("cancelable.registry.heartbeat.age") == []
    assert telemetry.points("cancelable.registry.queue.length") == [({}, 12)]
    assert caplog.records == []


def test_a_registry_of_this_process_alone() -> None:
    """Without a shared store there is nothing to measure."""
    telemetry, registry = Recording(), OperationRegistry()
    observe_registry(registry, telemetry.meter_provider)
    assert telemetry.metrics() == {}


def test_a_registry_that_is_gone() -> None:
    """It is not kept alive, and gives nothing any more."""
    telemetry, registry = Recording(), with_store(Store())
    observe_registry(registry, telemetry.meter_provider)
    gone = weakref.ref(registry)
    del registry
    gc.collect()
    assert gone() is None
    assert telemetry.metrics() == {}


def test_what_is_no_registry() -> None:
    """Only an `OperationRegistry` can be measured."""
    with pytest.raises(TypeError, match="registry must be an OperationRegistry, not 3"):
        observe_registry(3)  # type: ignore[arg-type]


@pytest.mark.server
def test_with_redis() -> None:
    """The connection to Redis tells what is measured here."""
    pytest.importorskip("redis", reason="the shared store needs the extra redis, which is not installed")
    from .redis_server import namespace, until

    with namespace() as here:
        registry = OperationRegistry(here.backend())
        telemetry = Recording()
        observe_registry(registry, telemetry.meter_provider)
        until(lambda: telemetry.points(WORKERS)[:1] == [({STATE: "up"}, 1)])
        until(lambda: telemetry.points("cancelable.registry.heartbeat.age"))
        assert telemetry.points("cancelable.registry.queue.length") == [({}, 0)]
        assert telemetry.points("cancelable.registry.backend.errors") == [({}, 0)]


MISSING = """
import sys

sys.modules["opentelemetry"] = None
try:
    import hother.cancelable.registry.telemetry
except ImportError as error:
    print(error)
"""


def test_what_to_install() -> None:
    """Without the API of OpenTelemetry the error names the extra, and nothing else of the package asks for it."""
    ran = subprocess.run([sys.executable, "-c", MISSING], capture_output=True, text=True, check=False)
    assert ran.stdout.endswith('needs the API of OpenTelemetry: pip install "hother-cancelable-registry[otel]"\n')
    assert (ran.returncode, ran.stderr) == (0, "")
