"""The audit trail: who has told which operation to stop, as log records of "hother.cancelable.audit"."""

from __future__ import annotations

import logging
from typing import Final

from starlette.requests import Request

from .access import Access

audit_logger: Final = logging.getLogger("hother.cancelable.audit")
"""Gets a record at INFO for each request to cancel, with `caller`, `action`, `subject` and `outcome` as attributes."""


def caller_name(request: Request, access: Access) -> str:
    """Return the name of the caller, or its address where `authorize` gives no name."""
    if access.name is not None:
        return access.name
    return "somebody" if request.client is None else request.client.host


def note(request: Request, access: Access, action: str, subject: str, outcome: str) -> None:
    """Add a record. What users have written stands in quotes, so that it cannot pass for another record."""
    caller = caller_name(request, access)
    facts = {"caller": caller, "action": action, "subject": subject, "outcome": outcome}
    audit_logger.info("%r: %s %s: %s", caller, action, subject, outcome, extra=facts)


def signed(message: str | None, access: Access) -> str | None:
    """Return the message for the record of an operation, with the caller's name where it is known."""
    if access.name is None:
        return message
    return f"by {access.name}" if message is None else f"{message} (by {access.name})"
