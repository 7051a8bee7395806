"""The commands about operations: `ops`, `show` and `tree`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Final

import typer

from hother.cancelable.registry.filters import OperationFilter
from hother.cancelable.registry.records import OperationRecord
from hother.cancelable.registry.tree import TreeNode, tree_of

from .cells import OPERATION, clean, echo_json, moment, progress, span, standing
from .exits import ExitCode, stop
from .finding import find
from .opening import opened
from .options import (
    DEFAULT_NAMESPACE,
    DEFAULT_URL,
    Json,
    MinAge,
    NamePattern,
    Namespace,
    OperationId,
    Parent,
    RedisUrl,
    Status,
    Worker,
    complete_operation,
)
from .tables import on_terminal, show, show_pairs, show_tree
from .watching import watch

SHOWN: Final = 100
"""How many operations a terminal is shown unless more are asked for."""


def ops(
    ctx: typer.Context,
    status: Status = None,
    name: NamePattern = None,
    parent: Parent = None,
    worker: Worker = None,
    min_age: MinAge = None,
    cancelling: Annotated[bool, typer.Option("--cancelling", help="Only what was told to stop and runs.")] = False,
    limit: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="How many at most.", show_default="100; all in a pipe or as JSON"),
    ] = None,
    live: Annotated[bool, typer.Option("--watch", help="Follow what happens until Ctrl-C.")] = False,
    as_json: Json = False,
    redis: RedisUrl = DEFAULT_URL,
    namespace: Namespace = DEFAULT_NAMESPACE,
) -> None:
    """List the operations that run, oldest first.

    In a pipe each is one line, with tabs between id, name, status, age in seconds, progress, reason, worker and parent;
    with --watch each event is one: time, event, and the same columns.
    """
    wanted = OperationFilter(
        frozenset(status) if status else None, name, parent, worker, min_age, True if cancelling else None
    )
    with opened(ctx, redis, namespace) as store:
        if live:
            watch(store, wanted, as_json, limit)
            return
        found = find(store, wanted, limit if limit is not None or as_json or not on_terminal() else SHOWN)
    if as_json:
        echo_json([record.to_dict() for record in found.records])
        return
    show(OPERATION, found.records, f"{found.more} more: --limit" if found.more else None)


def show_one(
    ctx: typer.Context,
    operation_id: OperationId,
    as_json: Json = False,
    redis: RedisUrl = DEFAULT_URL,
    namespace: Namespace = DEFAULT_NAMESPACE,
) -> None:
    """Show all that is known of an operation, also of one that has ended not long ago."""
    with opened(ctx, redis, namespace) as store:
        record = store.get(operation_id)
    if record is None:
        stop(ExitCode.NOT_FOUND, f"no operation with the id {clean(operation_id)} is known")
    if as_json:
        echo_json(record.to_dict())
    else:
        show_pairs(_facts(record))


def tree(
    ctx: typer.Context,
    root: Annotated[
        str | None, typer.Argument(metavar="ID", autocompletion=complete_operation, help="Only what is below it.")
    ] = None,
    as_json: Json = False,
    redis: RedisUrl = DEFAULT_URL,
    namespace: Namespace = DEFAULT_NAMESPACE,
) -> None:
    """Show what runs as trees of parents and children."""
    with opened(ctx, redis, namespace) as store:
        nodes = tree_of(find(store, OperationFilter(), None).records, root)
    if root is not None and not nodes:
        stop(ExitCode.NOT_FOUND, f"no operation with the id {clean(root)} runs")
    if as_json:
        echo_json([_nested(node) for node in nodes])
    else:
        show_tree(nodes)


def _facts(record: OperationRecord) -> Iterator[tuple[str, str]]:
    people, cancel = on_terminal(), record.cancel
    yield "id", clean(record.id)
    yield "name", clean(record.name)
    yield "status", standing(record)
    yield "worker", clean(record.worker)
    yield "parent", clean(record.parent_id)
    yield "started", moment(record.started)
    yield "ended", moment(record.ended)
    yield "age", span(record.age, people)
    yield "progress", progress(record)
    if cancel is not None:
        yield "cancel reason", cancel.reason.value
        yield "cancel message", clean(cancel.message)
        yield "cancelled by", clean(cancel.origin)
        yield "requested", moment(cancel.requested)
        yield "delivered", moment(cancel.delivered)
    yield "error", clean(record.error)
    for key, value in record.metadata.items():
        yield f"metadata {clean(str(key))}", clean(str(value))
    for each in (record.stuck or "").splitlines():
        yield "stuck", clean(each)


def _nested(node: TreeNode) -> dict[str, Any]:
    return {**node.record.to_dict(), "children": [_nested(child) for child in node.children]}
