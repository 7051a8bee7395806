"""Stop a FastAPI endpoint when its client leaves."""

from .dependency import cancelable_dependency
from .middleware import RequestCancelationMiddleware
from .token import get_request_token

__all__ = [
    "RequestCancelationMiddleware",
    "cancelable_dependency",
    "get_request_token",
]
