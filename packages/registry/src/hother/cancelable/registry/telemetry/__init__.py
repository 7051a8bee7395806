"""Spans and metrics of operations, and gauges of a registry, through the API of OpenTelemetry."""

try:
    from .gauges import observe_registry
    from .observer import TelemetryObserver
except ModuleNotFoundError as _error:
    if _error.name is None or not _error.name.startswith("opentelemetry"):
        raise
    raise ImportError(
        "hother.cancelable.registry.telemetry needs the API of OpenTelemetry: "
        'pip install "hother-cancelable-registry[otel]"',
        name=_error.name,
    ) from None

__all__ = ["TelemetryObserver", "observe_registry"]
