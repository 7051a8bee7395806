"""The command `cancel`: one operation by its id, or all that match."""

from __future__ import annotations

import getpass
import socket
import sys
import time
from collections import Counter
from typing import Annotated, Final, NamedTuple

import typer

from hother.cancelable import CancelationReason
from hother.cancelable.registry.backend import Backend
from hother.cancelable.registry.errors import BackendUnavailable
from hother.cancelable.registry.filters import EVERYTHING, OperationFilter
from hother.cancelable.registry.records import CancelResult, CancelState, OperationRecord, RecordStatus

from .cells import clean
from .exits import ExitCode, stop
from .finding import find
from .opening import opened
from .options import (
    DEFAULT_NAMESPACE,
    DEFAULT_URL,
    MinAge,
    NamePattern,
    Namespace,
    Parent,
    RedisUrl,
    Wait,
    Worker,
    complete_operation,
)

PREVIEWED: Final = 10
"""How many of those that match are named before they are cancelled."""


class Request(NamedTuple):
    """What operations are told."""

    reason: CancelationReason
    message: str | None
    origin: str


def cancel(
    ctx: typer.Context,
    operation_id: Annotated[str | None, typer.Argument(metavar="ID", autocompletion=complete_operation)] = None,
    name: NamePattern = None,
    parent: Parent = None,
    worker: Worker = None,
    min_age: MinAge = None,
    reason: Annotated[CancelationReason, typer.Option("--reason", help="Why.")] = CancelationReason.MANUAL,
    message: Annotated[str | None, typer.Option("--message", metavar="TEXT", help="For whoever reads why.")] = None,
    wait: Wait = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Cancel all that match without asking.")] = False,
    redis: RedisUrl = DEFAULT_URL,
    namespace: Namespace = DEFAULT_NAMESPACE,
) -> None:
    """Tell one operation to stop by its id, or all that match --name, --parent, --worker and --min-age.

    All that match are counted and named first, and exactly these are told after you have confirmed. "told to stop" does
    not say that it has stopped: --wait says whether it has.
    """
    wanted = OperationFilter(None, name, parent, worker, min_age)
    if (operation_id is None) == (wanted == EVERYTHING):
        raise typer.BadParameter("give either an ID or, for all that match, --name, --parent, --worker or --min-age")
    request = Request(reason, message, whoever())
    with opened(ctx, redis, namespace) as store:
        if operation_id is not None:
            result = store.cancel(operation_id, *request, wait)
            _say_how_it_ended(operation_id, result, wait)
        else:
            _cancel_matching(store, wanted, request, wait, yes)


def whoever() -> str:
    """Return who uses the program, for the record."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # no name for this user, as in a container
        user = "somebody"
    return f"{user} on {socket.gethostname()}"


def _say_how_it_ended(operation_id: str, result: CancelResult, wait: float | None) -> None:
    label, record = clean(operation_id), result.record
    if result.state is CancelState.NOT_FOUND:
        stop(ExitCode.NOT_FOUND, f"no operation with the id {label} is known")
    why = "" if record is None or record.cancel is None else _why(record)
    if result.state is CancelState.ENDED:
        status = RecordStatus.CANCELLED if record is None else record.status
        if status is not RecordStatus.CANCELLED:
            stop(ExitCode.ENDED_OTHERWISE, f"{label} was not cancelled: it {_ended(status)}{why}")
        typer.echo(f"{label} was cancelled{why}")
        return
    before = " before" if result.state is CancelState.ALREADY_REQUESTED else ""
    lost = "; its process is lost, it is told if that returns" if record and record.status is RecordStatus.LOST else ""
    told = f"{label} was told to stop{before}{why}{lost}"
    if wait is not None:
        stop(ExitCode.STILL_RUNNING, f"{told}, and still runs after {wait:g} s")
    typer.echo(told)


def _ended(status: RecordStatus) -> str:
    return "has failed" if status is RecordStatus.FAILED else f"has {status.value}"


def _why(record: OperationRecord) -> str:
    assert record.cancel is not None
    message = f": {clean(record.cancel.message)}" if record.cancel.message else ""
    return f" ({record.cancel.reason.value}{message})"


def _cancel_matching(store: Backend, wanted: OperationFilter, request: Request, wait: float | None, sure: bool) -> None:
    records = find(store, wanted, None).records
    if not records:
        stop(ExitCode.NOT_FOUND, "no operation that runs matches")
    count = f"{len(records)} operation{'s' if len(records) > 1 else ''}"
    if not sure:
        _preview(records, count)
        if not _confirmed(f"Cancel {count}?"):
            stop(ExitCode.DECLINED, "nothing was cancelled; --yes cancels without asking")
    results = _tell(store, records, request)
    if wait is not None:
        _wait_for(store, results, request, wait)
    said = Counter(_in_short(result) for result in results.values())
    typer.echo(f"{count}: " + ", ".join(f"{number} {what}" for what, number in said.items()))
    if wait is not None and any(_goes_on(result) for result in results.values()):
        raise typer.Exit(ExitCode.STILL_RUNNING)


def _tell(store: Backend, records: list[OperationRecord], request: Request) -> dict[str, CancelResult]:
    """Tell all of them to stop; where the store goes away meanwhile, say how far that has come."""
    results: dict[str, CancelResult] = {}
    try:
        for record in records:
            results[record.id] = store.cancel(record.id, *request, None)
    except BackendUnavailable:
        if results:
            typer.echo(f"{len(results)} of {len(records)} were told to stop; then the store went away:", err=True)
        raise
    return results


def _preview(records: list[OperationRecord], count: str) -> None:
    typer.echo(f"{count}:", err=True)
    for record in records[:PREVIEWED]:
        typer.echo(f"  {clean(record.id)}  {clean(record.name)}".rstrip(), err=True)
    if len(records) > PREVIEWED:
        typer.echo(f"  and {len(records) - PREVIEWED} more", err=True)


def _confirmed(question: str) -> bool:
    typer.echo(f"{question} [y/N] ", err=True, nl=False)
    try:
        answer = "" if sys.stdin is None else sys.stdin.readline()  # pyright: ignore[reportUnnecessaryComparison]
    except KeyboardInterrupt:
        answer = ""
    if not answer.endswith("\n"):  # Ctrl-C, or nobody there who could answer
        typer.echo(err=True)
    return answer.strip().lower() in ("y", "yes")


def _wait_for(store: Backend, results: dict[str, CancelResult], request: Request, wait: float) -> None:
    """Ask again for each that still runs until all have ended or the time is up; asking twice changes nothing."""
    until = time.monotonic() + wait
    for operation_id, result in results.items():
        left = until - time.monotonic()
        if _goes_on(result):
            results[operation_id] = store.cancel(operation_id, *request, left if left > 0 else None)


def _goes_on(result: CancelResult) -> bool:
    return result.state in (CancelState.REQUESTED, CancelState.ALREADY_REQUESTED)


def _in_short(result: CancelResult) -> str:
    if result.state is CancelState.ENDED and result.record is not None:
        return result.record.status.value
    if result.state is CancelState.NOT_FOUND:
        return "gone"
    return "told to stop" if result.state is CancelState.REQUESTED else "told before"
