"""What the tests of background jobs compare with."""

from dataclasses import replace
from typing import Any

from hother.cancelable import OperationStatus
from hother.cancelable.integrations.fastapi import JobStatus


def status_of(job_id: str, status: OperationStatus, **values: Any) -> JobStatus:
    """Return the status of a job `work` that differs from a plain one in some values."""
    plain = JobStatus(
        id=job_id,
        name="work",
        status=status,
        cancel_requested=False,
        has_ended=False,
        reason=None,
        message=None,
        error=None,
    )
    return replace(plain, **values)
