"""Stop a FastAPI endpoint when its client leaves; watch and cancel operations over HTTP.

What is about watching needs the package `hother-cancelable-registry`, and is loaded when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .dependency import cancelable_dependency, cancelable_within
from .endpoints import with_cancelation
from .handlers import add_cancelation_handlers, cancelable_responses
from .job import JobStatus
from .jobs import BackgroundJobs, JobNotFound
from .middleware import RequestCancelationMiddleware
from .shutdown import GracefulShutdown
from .streaming import CancelableStreamingResponse, cancelable_streaming_response
from .token import get_request_token
from .websocket import CancelableWebSocket

__all__ = [
    "BackgroundJobs",
    "CancelableStreamingResponse",
    "CancelableWebSocket",
    "GracefulShutdown",
    "JobNotFound",
    "JobStatus",
    "RequestCancelationMiddleware",
    "add_cancelation_handlers",
    "cancelable_dependency",
    "cancelable_responses",
    "cancelable_streaming_response",
    "cancelable_within",
    "get_request_token",
    "with_cancelation",
]

if TYPE_CHECKING:
    from .operations import Access as Access
    from .operations import allow_loopback_only as allow_loopback_only
    from .operations import mount_operations_page as mount_operations_page
    from .operations import operations_router as operations_router
else:  # checkers shall go on reporting misspelt names

    def __getattr__(name: str) -> object:
        if name not in ("Access", "allow_loopback_only", "mount_operations_page", "operations_router"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from . import operations

        return getattr(operations, name)
