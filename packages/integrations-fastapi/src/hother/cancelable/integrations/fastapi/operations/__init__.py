"""Watch and cancel operations over HTTP: a JSON API, a stream of events, and a page for people.

Needs the package `hother-cancelable-registry`.
"""

try:
    from .access import Access, Authorize, Level, allow_loopback_only
    from .api import operations_router
    from .page import mount_operations_page
except ModuleNotFoundError as _error:
    if _error.name != "hother.cancelable.registry":
        raise
    raise ImportError(
        "the operations router and page need the package hother-cancelable-registry; install it: "
        "pip install hother-cancelable-registry"
    ) from _error

__all__ = [
    "Access",
    "Authorize",
    "Level",
    "allow_loopback_only",
    "mount_operations_page",
    "operations_router",
]
