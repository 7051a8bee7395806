"""`ops --watch`: a table that follows what happens, and one line for each event in a pipe."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Final

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from hother.cancelable.registry.backend import Backend
from hother.cancelable.registry.errors import BackendUnavailable
from hother.cancelable.registry.filters import EVERYTHING, OperationFilter
from hother.cancelable.registry.records import Event

from .cells import OPERATION, clean, echo_json, line, moment
from .finding import Listing, find
from .tables import on_terminal, table

ROUND: Final = 1.0
"""After how many seconds without news the ages are shown anew."""
PAUSE: Final = 0.2
"""How many seconds at least are between two tables."""


def watch(store: Backend, wanted: OperationFilter, as_json: bool, limit: int | None) -> None:
    """Show what happens until Ctrl-C, which ends it without a word."""
    try:
        console = Console(highlight=False)
        if as_json or not on_terminal() or console.is_dumb_terminal:  # where nothing can be drawn anew
            _watch_events(store, wanted, as_json)
        else:
            _watch_table(console, store, wanted, limit)
    except KeyboardInterrupt:
        return


def _watch_table(console: Console, store: Backend, wanted: OperationFilter, limit: int | None) -> None:
    latest: Table | None = None
    with Live(console=console, auto_refresh=False) as screen:
        while True:
            try:
                position = store.position()
                rows = max(console.size.height - 4, 1)
                found = find(store, wanted, rows if limit is None else min(limit, rows))
                latest = table(OPERATION, found.records, _caption(found))
                screen.update(latest, refresh=True)
                store.events(position, ROUND)
                time.sleep(PAUSE)
            except BackendUnavailable:
                if latest is None:
                    raise
                latest.caption = f"the shared store cannot be reached; this was so at {_clock()} at the latest"
                screen.update(latest, refresh=True)
                time.sleep(ROUND)


def _caption(found: Listing) -> str:
    running = len(found.records) + found.more
    beyond = f", {found.more} not shown" if found.more else ""
    return f"{running} in all{beyond}; {_clock()}; Ctrl-C ends this"


def _clock() -> str:
    return datetime.now().astimezone().strftime("%H:%M:%S")


def _watch_events(store: Backend, wanted: OperationFilter, as_json: bool) -> None:
    position = store.position()
    while True:
        for event in store.events(position, ROUND):
            position = event.id
            if event.record is None and wanted != EVERYTHING:
                continue
            if event.record is not None and not wanted.matches(event.record):
                continue
            _echo_event(event, as_json)


def _echo_event(event: Event, as_json: bool) -> None:
    if as_json:
        operation = None if event.record is None else event.record.to_dict()
        when = moment(event.time)
        echo_json(
            {"event": event.kind.value, "time": when, "worker": event.worker, "operation": operation}, indent=None
        )
        return
    about = clean(event.worker) if event.record is None else line(OPERATION, event.record)
    typer.echo(f"{moment(event.time)}\t{event.kind.value}\t{about}".rstrip("\t"))
