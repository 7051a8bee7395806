"""Routes that ask who is there first, and answer with problem details."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from fastapi.routing import APIRoute

from .access import Access, Authorize, admit, check_change, check_custom_header
from .problems import problem_of

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def guarded(authorize: Authorize, *, forms: bool = False) -> type[APIRoute]:
    """Return a kind of route that admits callers before anything of their request is read.

    Args:
        authorize: Tells what a caller may do.
        forms: Whether what changes something is a form, whose token the endpoint checks, instead of JSON.
    """

    class GuardedRoute(APIRoute):
        def get_route_handler(self) -> Handler:
            handle = super().get_route_handler()

            async def answer(request: Request) -> Response:
                try:
                    _check(request, await admit(request, authorize), forms)
                    response = await handle(request)
                except Exception as error:
                    problem = problem_of(error)
                    if problem is None:
                        raise
                    response = problem.response()
                response.headers.setdefault("Cache-Control", "no-store")
                return response

            return answer

    return GuardedRoute


def _check(request: Request, access: Access, forms: bool) -> None:
    if request.method not in ("GET", "HEAD"):
        check_change(request, access)
        if not forms:
            check_custom_header(request)
