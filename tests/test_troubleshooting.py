"""The troubleshooting page has each message of the packages as a heading, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from hother.cancelable import CancelationError, CancelationReason, OperationContext

from .said import all_said

PAGE = Path(__file__).parents[1] / "docs" / "troubleshooting.md"
HEADING = re.compile(r"^### (`+) ?(.+?) ?\1$", re.MULTILINE)

HEADINGS = [match[2] for match in HEADING.finditer(PAGE.read_text())]
CANCELLED = [
    str(CancelationError("…", reason=reason, context=OperationContext("…", "…"))) for reason in CancelationReason
]


def test_each_message_has_a_heading() -> None:
    """Whoever meets a message of ours finds it on the page, with what to do."""
    missing = [f"{said.where}: {said.text}" for said in all_said() if not any(map(said.matches, HEADINGS))]
    assert not missing, "\n".join(missing)


def test_each_heading_is_a_message() -> None:
    """No heading is left of a message that nobody says any more."""
    stale = [each for each in HEADINGS if each not in CANCELLED and not any(said.matches(each) for said in all_said())]
    assert stale == []


def test_each_reason_has_a_heading() -> None:
    """What leaves a cancelled operation is explained for each reason."""
    assert [text for text in CANCELLED if text not in HEADINGS] == []


def test_each_heading_has_a_remedy() -> None:
    """A heading stands on the page once, and is followed by text."""
    assert len(HEADINGS) == len(set(HEADINGS))
    assert re.findall(r"^### (.+)\n+(?=#|\Z)", PAGE.read_text(), re.MULTILINE) == []
