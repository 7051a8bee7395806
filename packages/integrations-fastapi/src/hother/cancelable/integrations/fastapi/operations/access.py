"""Who may see and cancel operations, and whether a request comes from where it says."""

from __future__ import annotations

import functools
import hmac
import inspect
import ipaddress
import secrets
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, Literal, NamedTuple, ParamSpec, TypeVar, cast, get_args

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from fastapi import Depends
from hother.cancelable.registry import OperationRegistry

from .problems import ProblemError

P = ParamSpec("P")
T = TypeVar("T")

Level = Literal["all", "read"]
"""What a caller may do: `all` is to see and to cancel, `read` is to see."""

CSRF_COOKIE: Final = "cancelable_csrf"
CSRF_FIELD: Final = "csrf"
CUSTOM_HEADERS: Final = ("x-requested-with", "x-cancelable")
"""Headers that a browser sends to another site only with that site's consent; one of them must be there."""
_KEY: Final = "hother.cancelable.operations.access"


class Access(NamedTuple):
    """What a caller may do, and who it is."""

    level: Level
    """What it may do."""
    name: str | None = None
    """What the audit trail, and the operations that it cancels, call it."""


Authorize = Callable[[Request], Access | Level | Awaitable[Access | Level | None] | None]
"""Tells what the caller of a request may do; None is nothing. Sync functions run in a thread."""


def allow_loopback_only(level: Level = "all") -> Authorize:
    """Return an `authorize` that lets in whoever connects from this machine. For development.

    The address of the peer alone counts, no header. So use it neither behind a reverse proxy on the same machine, where
    everybody comes from there, nor on a machine whose users you do not trust.

    Args:
        level: What they may do.

    Raises:
        ValueError: If there is no such level.

    Example:
        ```python
        from fastapi import FastAPI
        from hother.cancelable.integrations.fastapi.operations import allow_loopback_only, mount_operations_page
        from hother.cancelable.registry import OperationRegistry

        app = FastAPI()
        mount_operations_page(app, OperationRegistry.get_instance(), authorize=allow_loopback_only())
        ```
    """
    if level not in get_args(Level):
        raise ValueError(f"level must be 'all' or 'read', not {level!r}")

    async def authorize(request: Request) -> Access | None:
        host = None if request.client is None else request.client.host
        return Access(level) if host is not None and is_loopback(host) else None

    return authorize


def is_loopback(host: str) -> bool:
    """Tell whether an address is one of this machine's own, IPv4 mapped into IPv6 included."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:  # a name, or a path
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def needs_authorize(function: Callable[P, T]) -> Callable[P, T]:
    """Have a function that takes a registry and `authorize` say what to pass where one of them is missing."""

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> T:
        if not callable(kwargs.get("authorize")):
            raise TypeError(
                f"{function.__name__}() needs authorize=, a function that takes the request and returns 'all', 'read' "
                "or None; for development on your own machine pass authorize=allow_loopback_only()"
            )
        bound = inspect.signature(function).bind(*args, **kwargs)
        registry = bound.arguments["registry"]
        if not isinstance(registry, OperationRegistry):
            raise TypeError(f"registry must be an OperationRegistry, not {registry!r}")
        return function(*args, **kwargs)

    return checked


async def admit(request: Request, authorize: Authorize) -> Access:
    """Ask what the caller may do, and note it with the request.

    Raises:
        ProblemError: 403, if it is nothing.
        TypeError: If `authorize` returns something else than it may.
    """
    verdict: Any
    if inspect.iscoroutinefunction(authorize) or inspect.iscoroutinefunction(getattr(authorize, "__call__", None)):  # noqa: B004
        verdict = await cast("Awaitable[Any]", authorize(request))
    else:
        (verdict,) = await run_in_threadpool(lambda: (authorize(request),))  # trio's threads return no coroutine
        if inspect.isawaitable(verdict):
            verdict = await verdict
    if verdict is None:
        raise ProblemError(403, "the caller may not see these operations")
    access = verdict if isinstance(verdict, Access) else Access(verdict)
    if access.level not in get_args(Level):
        raise TypeError(f"authorize must return 'all', 'read', an Access or None, not {verdict!r}")
    request.scope[_KEY] = access
    return access


async def access_of(request: Request) -> Access:
    """Return what the caller may do, once it was admitted."""
    access: Access = request.scope[_KEY]
    return access


Caller = Annotated[Access, Depends(access_of)]
"""The parameter of an endpoint that tells who calls."""


def check_change(request: Request, access: Access) -> None:
    """Refuse to change anything for somebody who may only look, or at the wish of another site.

    Raises:
        ProblemError: 403, in both cases.
    """
    if access.level != "all":
        raise ProblemError(403, "the caller may see these operations, but not cancel them")
    if request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        raise ProblemError(403, "the request comes from another site (Sec-Fetch-Site)")


def check_custom_header(request: Request) -> None:
    """Refuse a request that a form on another site can send.

    Raises:
        ProblemError: 403, if there is no custom header.
    """
    if not any(request.headers.get(name) for name in CUSTOM_HEADERS):
        raise ProblemError(403, "send the header X-Requested-With or X-Cancelable, with any value")


def csrf_token(request: Request) -> str:
    """Return the token for the forms of a page: the one that the browser has, or a new one."""
    known = request.cookies.get(CSRF_COOKIE, "")
    return known if len(known) == 43 and known.isascii() else secrets.token_urlsafe(32)


def set_csrf_cookie(request: Request, response: Response, token: str, path: str) -> None:
    """Have the browser send the token along with forms of its own site alone."""
    secure = request.url.scheme == "https"
    response.set_cookie(CSRF_COOKIE, token, path=path, secure=secure, httponly=True, samesite="strict")


def check_csrf(request: Request, given: str) -> None:
    """Refuse a form whose token is not that of the cookie.

    Raises:
        ProblemError: 403, in that case.
    """
    known = request.cookies.get(CSRF_COOKIE, "")
    if not known or not hmac.compare_digest(known.encode(), given.encode()):
        raise ProblemError(403, "the form is out of date, or comes from another site; load the page again")
