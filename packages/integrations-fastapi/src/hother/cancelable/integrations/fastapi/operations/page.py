"""The operations page: one HTML page, with its files, its forms and the API that its script uses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import aclosing
from typing import Any, Final
from urllib.parse import parse_qs, urlencode

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from fastapi import APIRouter, FastAPI
from hother.cancelable.registry import BackendUnavailable, OperationRegistry

from .access import CSRF_FIELD, Authorize, Caller, check_csrf, csrf_token, needs_authorize, set_csrf_cookie
from .api import operations_router
from .assets import assets
from .cancelling import Canceller
from .presenting import Presenter
from .problems import ProblemError
from .reading import Reader
from .rendering import NOTICES, View, render_page
from .routing import guarded
from .schemas import CancelOperation, OperationSelection

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_PATH: Final = re.compile(r"/(?![/\\])[^\x00-\x1f]*\Z")
"""A path of this site: browsers take a backslash for a slash, and skip line breaks and tabs."""
_LARGEST_FORM: Final = 16_384
_FILTERS: Final = ("name", "status", "worker", "parent", "min_age", "cancelling")


@needs_authorize
def mount_operations_page(
    app: FastAPI | APIRouter,
    registry: OperationRegistry,
    *,
    authorize: Authorize,
    path: str = "/operations",
    metadata_keys: Iterable[str] = (),
    include_in_schema: bool = False,
    actions: Mapping[str, str] | None = None,
) -> None:
    """Add a page to an app on which people see operations and cancel them.

    It works without a script, loads nothing from any other host, and has the API of `operations_router` below
    `{path}/api`. Nothing of it is served to those whom `authorize` does not let in.

    Args:
        app: The app, or a router that will be a part of it.
        registry: What is shown.
        authorize: Takes the request and returns "all", "read", an `Access` with the caller's name, or None for nobody;
            sync or async. Browsers send cookies and passwords along, but no header of your own.
        path: Where the page is.
        metadata_keys: Which keys of the operations' metadata callers may see.
        include_in_schema: Whether the API appears in the app's OpenAPI document.
        actions: Buttons that post to endpoints of your own, such as `{"Start an import": "/imports"}`; callers who may
            only read see none. Answer with a redirect (303) to the `Referer`. `authorize` is not asked for them: who
            may use an endpoint is for it to check, and from which sites: browsers send `Sec-Fetch-Site: same-origin`
            with the buttons.

    Raises:
        TypeError: If `authorize` is missing, or another argument has the wrong type.
        ValueError: If the path does not begin with a slash, or ends with one; if that of an action does not begin with
            one, or its text is empty.

    Example:
        ```python
        from fastapi import FastAPI
        from hother.cancelable.integrations.fastapi.operations import allow_loopback_only, mount_operations_page
        from hother.cancelable.registry import OperationRegistry

        app = FastAPI()
        mount_operations_page(app, OperationRegistry.get_instance(), authorize=allow_loopback_only())
        ```
    """
    if not path.startswith("/") or path.endswith("/"):
        raise ValueError(f"path must begin with a slash and not end with one, like '/operations', not {path!r}")
    actions = _checked_actions({} if actions is None else actions)
    api = operations_router(
        registry, authorize=authorize, metadata_keys=metadata_keys, include_in_schema=include_in_schema
    )
    presenter = Presenter(metadata_keys)
    page = _Page(registry, Reader(registry, presenter), Canceller(registry, presenter), actions)
    router = APIRouter(route_class=guarded(authorize, forms=True), include_in_schema=False)
    router.add_api_route("", page.show, response_model=None)
    router.add_api_route("/cancel", page.cancel, methods=["POST"], response_model=None)
    router.add_api_route("/static/{name}", page.file, response_model=None)
    app.include_router(router, prefix=path)
    app.include_router(api, prefix=f"{path}/api")


def _checked_actions(actions: Any) -> Mapping[str, str]:
    checked: dict[Any, Any] | None = dict(actions) if isinstance(actions, Mapping) else None  # pyright: ignore[reportUnknownArgumentType]
    if checked is None or not all(isinstance(each, str) for pair in checked.items() for each in pair):
        raise TypeError(f"actions must be texts with paths, like {{'Start an import': '/imports'}}, not {actions!r}")
    for text, path in checked.items():
        if not text.strip():
            raise ValueError(f"the text of the action for {path!r} must not be empty: it is what the button says")
        if _PATH.match(path) is None:
            raise ValueError(
                f"the path of the action {text!r} must begin with one slash, like '/imports', not {path!r}"
            )
    return checked


class _Page:
    """The endpoints of the page."""

    def __init__(
        self, registry: OperationRegistry, reader: Reader, canceller: Canceller, actions: Mapping[str, str]
    ) -> None:
        self._registry = registry
        self._reader = reader
        self._canceller = canceller
        self._actions = actions

    async def show(self, request: Request, caller: Caller) -> Response:
        """Return the page."""
        base, query = _external_path(request), request.query_params
        selection, kept = _selection(_given(query))
        token = csrf_token(request)
        listed = await self._reader.list_operations(**selection.model_dump(), cursor=query.get("cursor"))
        root = request.scope.get("root_path", "").rstrip("/")
        actions = {text: f"{root}{path}" for text, path in self._actions.items()}
        view = View(base, kept, caller.level == "all", token, selection, query.get("outcome", ""), actions)
        following = "&".join(filter(None, (kept, urlencode({"cursor": listed.cursor or ""}))))
        text = render_page(view, listed, await self._registry.get_statistics(), following)
        response = HTMLResponse(text, headers=_HEADERS)
        set_csrf_cookie(request, response, token, base)
        return response

    async def cancel(self, request: Request, caller: Caller) -> Response:
        """Do what the form of a row asks for, and go back to the page."""
        form = await _form(request)
        check_csrf(request, form.get(CSRF_FIELD, ""))
        why = CancelOperation(message=form.get("message", "").strip()[:1000] or None)
        try:
            result = await self._canceller.tell(request, caller, form.get("id", ""), why, None)
            outcome = result.state.value
        except BackendUnavailable:
            outcome = "unavailable"
        assert outcome in NOTICES
        base = _external_path(request).removesuffix("/cancel")
        kept = "&".join(filter(None, (_selection(_given(request.query_params))[1], f"outcome={outcome}")))
        return RedirectResponse(f"{base}?{kept}", 303)

    async def file(self, name: str) -> Response:
        """Return a static file. Its name changes with its content, so browsers may keep it."""
        asset = assets().get(name)
        if asset is None:
            raise ProblemError(404, "there is no such file; load the page again")
        kept = {"Cache-Control": "private, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
        return Response(asset.content, headers=kept, media_type=asset.media_type)


def _given(query: Mapping[str, str]) -> dict[str, str]:
    """Return the filters of an address; an empty field of a form is none."""
    return {key: query[key] for key in _FILTERS if query.get(key)}


def _selection(given: Mapping[str, str]) -> tuple[OperationSelection, str]:
    """Return the filters, and the address that asks for the same.

    Raises:
        ProblemError: 422, if a filter is none.
    """
    values: dict[str, Any] = dict(given)
    if "status" in values:
        values["status"] = [values["status"]]
    try:
        return OperationSelection.model_validate(values), urlencode(given)
    except ValidationError as error:
        where = ", ".join(str(each["loc"][0]) for each in error.errors())
        raise ProblemError(422, f"the filter is not valid: {where}") from None


async def _form(request: Request) -> dict[str, str]:
    """Read a form as browsers send it, without the package that uploads need.

    Raises:
        ProblemError: 413, if it is too long; 422, if it is none.
    """
    body = b""
    async with aclosing(request.stream()) as pieces:
        async for piece in pieces:
            body += piece
            if len(body) > _LARGEST_FORM:
                raise ProblemError(413, f"the form is longer than {_LARGEST_FORM} bytes")
    try:
        fields = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=20)
    except ValueError:
        raise ProblemError(422, "the body is no form in UTF-8") from None
    return {key: values[-1] for key, values in fields.items()}


def _external_path(request: Request) -> str:
    """Return the path of a request as browsers see it, also behind a proxy that takes a prefix away."""
    root, path = request.scope.get("root_path", "").rstrip("/"), request.scope["path"].rstrip("/")
    return path if path == root or path.startswith(f"{root}/") else f"{root}{path}"
