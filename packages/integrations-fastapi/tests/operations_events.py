"""Reading server-sent events."""

from __future__ import annotations

import json
from typing import Any, NamedTuple


class Told(NamedTuple):
    """An event as a browser reads it."""

    kind: str
    id: str | None
    data: Any
    retry: str | None = None

    @property
    def name(self) -> str:
        """The name of the operation that it is about."""
        operation = self.data.get("operation")
        return "" if operation is None else str(operation["name"])


def events_of(text: str) -> list[Told]:
    """Read a stream: every event in it must be whole."""
    *blocks, rest = text.split("\n\n")
    assert rest == ""
    return [event_of(block) for block in blocks if not block.startswith(":")]


def event_of(block: str) -> Told:
    """Read one event."""
    fields = dict(line.split(": ", 1) for line in block.split("\n"))
    return Told(fields["event"], fields.get("id"), json.loads(fields["data"]), fields.get("retry"))
