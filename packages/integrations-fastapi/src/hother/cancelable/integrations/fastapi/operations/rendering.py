"""The page as HTML, whole without a script: all text is inserted as text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from hother.cancelable.registry import RecordStatus, Statistics

from .assets import Safe, fill, hashed_names
from .cancelling import MOST
from .schemas import BackendState, Operation, OperationList, OperationSelection

STANDING: Final[dict[BackendState, str]] = {
    "ok": "All processes.",
    "degraded": "This process alone: the shared store cannot be reached.",
    "local": "This process alone.",
}
NOTICES: Final = {
    "requested": "It was told to stop. It is listed until it has ended.",
    "already_requested": "It had been told to stop before.",
    "ended": "It has ended.",
    "not_found": "There is no such operation.",
    "unavailable": "It was not told: the shared store cannot be reached.",
}
"""What has become of a form, by the outcome that the address of the page tells."""
_OPEN: Final = (RecordStatus.PENDING, RecordStatus.RUNNING, RecordStatus.LOST)

_CELLS: Final = (
    "id", "status", "is_cancelling", "is_stuck", "started", "parent_id", "state", "name", "age", "worker", "message",
)  # fmt: skip


class View(NamedTuple):
    """What one visitor sees of the page."""

    base: str
    """The path of the page."""
    query: str
    """What is shown, for links and forms to keep."""
    may_cancel: bool
    csrf: str
    selection: OperationSelection
    outcome: str
    """What has become of the form that was sent before."""
    actions: Mapping[str, str]
    """What buttons of the app's own say, and where they lead."""


def render_page(view: View, listed: OperationList, numbers: Statistics, next_query: str) -> str:
    """Return the page."""
    selection, names = view.selection, hashed_names()
    values: dict[str, object] = {
        "stylesheet": f"{view.base}/static/{names['operations.css']}",
        "script": f"{view.base}/static/{names['operations.js']}",
        "base": view.base,
        "api": f"{view.base}/api",
        "access": "all" if view.may_cancel else "read",
        "csrf": view.csrf,
        "backend": listed.backend,
        "as_of": listed.as_of.isoformat(),
        "cursor": listed.cursor or "",
        "most": MOST,
        "standing": STANDING[listed.backend],
        "notice": NOTICES.get(view.outcome, ""),
        "actions": _actions(view),
        "counts": _counts(numbers),
        "statuses": _statuses(selection.status or []),
        "name": selection.name or "",
        "worker": selection.worker or "",
        "parent": selection.parent or "",
        "min_age": "" if selection.min_age is None else f"{selection.min_age:g}",
        "cancelling": Safe(" checked" if selection.cancelling else ""),
        "rows": Safe("\n".join(_row(view, operation) for operation in listed.operations)),
        "has_rows": Safe(" hidden" if listed.operations else ""),
        "more": _link(f"{view.base}?{next_query}", "Next") if listed.cursor else "",
        "blank": _row(view, None),
    }
    return fill("page.html", values)


def _actions(view: View) -> Safe:
    shown = view.actions.items() if view.may_cancel else ()
    return Safe("".join(fill("action.html", {"address": address, "text": text}) for text, address in shown))


def _link(address: str, text: str) -> Safe:
    return fill("link.html", {"address": address, "text": text})


def _row(view: View, operation: Operation | None) -> Safe:
    """Return the row of an operation, or the one that scripts copy."""
    percent = None if operation is None or operation.progress is None else operation.progress.percent
    values: dict[str, object] = dict.fromkeys(_CELLS, "") if operation is None else _cells(operation)
    form = _form(view, operation) if view.may_cancel else ""
    value = Safe("" if percent is None else f' value="{percent:g}"')
    told = "" if percent is None else f"{math.floor(percent)} %"
    return fill("row.html", values | {"form": form, "value": value, "percent": told})


def _cells(operation: Operation) -> dict[str, object]:
    started = operation.started
    return {
        "id": operation.id,
        "status": operation.status.value,
        "is_cancelling": str(operation.cancelling).lower(),
        "is_stuck": str(operation.stuck is not None).lower(),
        "started": "" if started is None else started.isoformat(),
        "parent_id": operation.parent_id or "",
        "state": _state(operation),
        "name": operation.name or operation.id,
        "age": f"{operation.age:.1f} s" if operation.age < 60 else f"{operation.age / 60:.0f} min",
        "worker": operation.worker,
        "message": "" if operation.progress is None else operation.progress.message,
    }


def _state(operation: Operation) -> str:
    """Return how it stands, in words: one that was told to stop and still runs says so."""
    cancel, state = operation.cancel, operation.status.value
    if operation.stuck is not None:
        state = f"{state}, stuck"
    if cancel is None:
        return state
    why = cancel.reason.value if cancel.message is None else f"{cancel.reason.value}: {cancel.message}"
    return f"{state}, told to stop ({why})"


def _form(view: View, operation: Operation | None) -> Safe:
    disabled = operation is not None and operation.cancelling
    action = f"{view.base}/cancel" + (f"?{view.query}" if view.query else "")
    values = {"action": action, "csrf": view.csrf, "id": "" if operation is None else operation.id}
    return fill("cancel.html", values | {"disabled": Safe(" disabled" if disabled else "")})


def _counts(numbers: Statistics) -> Safe:
    both = (("active", numbers["active_by_status"]), ("ended", numbers["ended_by_status"]))
    counted = ((kind, status, count) for kind, by_status in both for status, count in by_status.items())
    return Safe(
        "".join(fill("count.html", {"kind": kind, "status": status, "count": count}) for kind, status, count in counted)
    )


def _statuses(chosen: Iterable[RecordStatus]) -> Safe:
    options = [("", "any", not chosen), *((each.value, each.value, each in chosen) for each in _OPEN)]
    return Safe(
        "".join(
            fill("option.html", {"value": value, "text": text, "selected": Safe(" selected" if is_chosen else "")})
            for value, text, is_chosen in options
        )
    )
