"""The options that commands share, and what the shell completes them with."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Annotated, Final, TypeVar

import typer

from hother.cancelable.registry.backend import Backend
from hother.cancelable.registry.filters import OperationFilter
from hother.cancelable.registry.records import RecordStatus

from .opening import Connect, connect_redis

T = TypeVar("T")

DEFAULT_NAMESPACE: Final = "default"
DEFAULT_URL: Final = "redis://localhost:6379/0"
COMPLETED: Final = 100
"""How many values the shell is given at most."""
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_HARMFUL = re.compile(r"[^\w .,:@/+=%-]", re.ASCII)
_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)([smhd]?)")


def seconds(text: str) -> float:
    """Read a time span: seconds, or a number with the unit s, m, h or d.

    Raises:
        BadParameter: If it is none, or zero.
    """
    found = _DURATION.fullmatch(text.strip())
    if found is None or float(found[1]) == 0:
        raise typer.BadParameter(f"{text!r} is no time span; give seconds, or say 90s, 5m, 2h or 1d")
    return float(found[1]) * _UNITS[found[2]]


def some_text(text: str) -> str:
    """Refuse an empty value: that of a variable which is not set would select everything.

    Raises:
        BadParameter: If it is empty.
    """
    if not text:
        raise typer.BadParameter("give a text that is not empty, or leave the option out")
    return text


def _ask(ctx: typer.Context, question: Callable[[Backend], list[T]]) -> list[T]:
    """Ask the store that the command line names so far; whatever goes wrong, the shell completes nothing."""
    connect: Connect = ctx.obj or connect_redis
    try:
        store = connect(ctx.params.get("redis") or DEFAULT_URL, ctx.params.get("namespace") or DEFAULT_NAMESPACE)
        try:
            return question(store)
        finally:
            store.close()
    except Exception:  # an error here would be printed into the line that is being typed
        return []


def complete_operation(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Give the shell the ids of running operations, with their names."""
    records = _ask(ctx, lambda store: store.page(OperationFilter(), COMPLETED, None).records)
    return _offered(((record.id, record.name or "") for record in records), incomplete)


def complete_worker(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Give the shell the ids of workers, with their state."""
    workers = _ask(ctx, lambda store: store.workers())
    return _offered(((worker.id, worker.state.value) for worker in workers), incomplete)


def _offered(values: Iterable[tuple[str, str]], incomplete: str) -> list[tuple[str, str]]:
    """Return what is harmless in every shell: some evaluate what they are offered, and others have chosen the text."""
    return [
        (value, _HARMFUL.sub("_", about))
        for value, about in values
        if value.startswith(incomplete) and not _HARMFUL.search(value) and " " not in value
    ]


RedisUrl = Annotated[
    str,
    typer.Option(
        "--redis",
        metavar="URL",
        envvar="CANCELABLE_REDIS_URL",
        show_envvar=True,
        help="The shared store. Put passwords into the variable: others can read a command line.",
    ),
]
Namespace = Annotated[str, typer.Option("--namespace", metavar="NAME", help="The namespace of the workers.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
OperationId = Annotated[str, typer.Argument(metavar="ID", autocompletion=complete_operation)]
Status = Annotated[
    list[RecordStatus] | None, typer.Option("--status", help="How it stands; may be repeated. Ended ones are history.")
]
NamePattern = Annotated[
    str | None,
    typer.Option(
        "--name", metavar="PATTERN", parser=some_text, help="A part of its name, or a pattern with *, ? or [."
    ),
]
Parent = Annotated[
    str | None,
    typer.Option(
        "--parent", metavar="ID", parser=some_text, autocompletion=complete_operation, help="Where it was entered."
    ),
]
Worker = Annotated[
    str | None,
    typer.Option(
        "--worker", metavar="ID", parser=some_text, autocompletion=complete_worker, help="The process it runs in."
    ),
]
MinAge = Annotated[
    float | None,
    typer.Option("--min-age", metavar="TIME", parser=seconds, help="How long it has run at least: 90, 5m, 2h or 1d."),
]
Wait = Annotated[
    float | None,
    typer.Option("--wait", metavar="TIME", parser=seconds, help="Wait for the end, so long at most: 5, 90s, 5m."),
]
