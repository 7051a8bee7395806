"""The commands about the whole: `workers` and `stats`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import typer

from hother.cancelable.registry.backend import Statistics

from .cells import WORKER, echo_json, worker_dict
from .opening import opened
from .options import DEFAULT_NAMESPACE, DEFAULT_URL, Json, Namespace, RedisUrl
from .tables import show, show_pairs


def workers(
    ctx: typer.Context,
    as_json: Json = False,
    redis: RedisUrl = DEFAULT_URL,
    namespace: Namespace = DEFAULT_NAMESPACE,
) -> None:
    """List the processes that take part, and those lost not long ago."""
    with opened(ctx, redis, namespace) as store:
        found = store.workers()
    if as_json:
        echo_json([worker_dict(worker) for worker in found])
    else:
        show(WORKER, found)


def stats(
    ctx: typer.Context,
    as_json: Json = False,
    redis: RedisUrl = DEFAULT_URL,
    namespace: Namespace = DEFAULT_NAMESPACE,
) -> None:
    """Show numbers of all processes; times are in seconds."""
    with opened(ctx, redis, namespace) as store:
        numbers = store.statistics()
    if as_json:
        echo_json(numbers)
    else:
        show_pairs(_numbers(numbers))


def _numbers(numbers: Statistics) -> Iterator[tuple[str, str]]:
    yield "running", str(numbers["active_operations"])
    yield "started", str(numbers["total_started"])
    yield "ended", str(numbers["total_completed"])
    yield "mean duration", _number(numbers["average_duration_seconds"])
    yield "longest duration", _number(numbers["longest_duration_seconds"])
    yield "kept in history", str(numbers["history_size"])
    groups: dict[str, Mapping[str, float]] = {
        "running": numbers["active_by_status"],
        "ended": numbers["ended_by_status"],
        "cancelled": numbers["ended_by_reason"],
        "cancel latency": numbers["cancel_latency"],
    }
    for group, values in groups.items():
        for name, value in values.items():
            yield f"{group}: {name.replace('_', ' ')}", _number(value)


def _number(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
