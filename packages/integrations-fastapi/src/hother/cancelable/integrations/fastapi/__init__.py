"""Stop a FastAPI endpoint when its client leaves."""

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
