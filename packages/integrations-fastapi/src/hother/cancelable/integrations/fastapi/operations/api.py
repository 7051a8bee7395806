"""The JSON API: what runs, what has ended, who takes part, and how to stop it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from starlette.responses import StreamingResponse

from fastapi import APIRouter
from hother.cancelable.registry import OperationRegistry

from .access import Authorize, needs_authorize
from .cancelling import Canceller
from .feed import EVENTS_DOCUMENTED, Feeder
from .presenting import Presenter
from .problems import documented
from .reading import Reader
from .routing import guarded
from .schemas import (
    CancelOutcome,
    CancelOutcomes,
    OperationDetail,
    OperationHistory,
    OperationList,
    OperationsHealth,
    OperationStatistics,
    OperationTree,
    OperationWorkers,
)


@needs_authorize
def operations_router(
    registry: OperationRegistry,
    *,
    authorize: Authorize,
    metadata_keys: Iterable[str] = (),
    include_in_schema: bool = True,
) -> APIRouter:
    """Return a router with which callers see operations and cancel them.

    Its paths are `/operations`, `/operations/{id}`, `/operations/{id}/tree`, `/history`, `/workers`, `/stats`,
    `/health`, `/events`, `/operations/{id}/cancel` and `/operations/cancel`: choose a prefix for them. What changes
    something is a POST with the header `X-Requested-With` or `X-Cancelable`; errors are problem details (RFC 9457).
    Each request to cancel is noted by the logger "hother.cancelable.audit".

    The stream of events ends after 55 s, and browsers then resume it. Add a `GracefulShutdown`, so that it ends at once
    when the server shuts down.

    Args:
        registry: What is shown.
        authorize: Takes the request and returns "all", "read", an `Access` with the caller's name, or None for nobody;
            sync or async. It may raise an `HTTPException` of its own, such as a 401.
        metadata_keys: Which keys of the operations' metadata callers may see.
        include_in_schema: Whether the routes appear in the app's OpenAPI document.

    Raises:
        TypeError: If `authorize` is missing, or another argument has the wrong type.

    Example:
        ```python
        from fastapi import FastAPI, Request
        from hother.cancelable.integrations.fastapi.operations import Access, operations_router
        from hother.cancelable.registry import OperationRegistry

        TOKENS = {"Bearer a-secret": Access("all", "alice")}


        def authorize(request: Request) -> Access | None:
            return TOKENS.get(request.headers.get("Authorization", ""))


        app = FastAPI()
        app.include_router(operations_router(OperationRegistry.get_instance(), authorize=authorize), prefix="/admin")
        ```
    """
    router = APIRouter(route_class=guarded(authorize), include_in_schema=include_in_schema, tags=["operations"])
    presenter = Presenter(metadata_keys)
    _add_reading(router, Reader(registry, presenter))
    _add_cancelling(router, Canceller(registry, presenter))
    router.add_api_route(
        "/events",
        Feeder(registry, presenter).follow_events,
        response_class=StreamingResponse,
        response_model=None,
        responses={200: EVENTS_DOCUMENTED, **documented(401, 403, 422)},
    )
    return router


def _add_reading(router: APIRouter, reader: Reader) -> None:
    routes: list[tuple[str, Any, type, tuple[int, ...]]] = [
        ("/operations", reader.list_operations, OperationList, (422, 503)),
        ("/operations/{operation_id:path}/tree", reader.get_operation_tree, OperationTree, (404, 503)),
        ("/operations/{operation_id:path}", reader.get_operation, OperationDetail, (404, 503)),
        ("/history", reader.list_ended_operations, OperationHistory, (422,)),
        ("/workers", reader.list_workers, OperationWorkers, (503,)),
        ("/stats", reader.get_statistics, OperationStatistics, ()),
        ("/health", reader.get_health, OperationsHealth, ()),
    ]
    for path, endpoint, model, statuses in routes:
        problems = documented(401, 403, *sorted({*statuses, 422} if "{" in path else statuses))
        router.add_api_route(path, endpoint, response_model=model, responses=problems)


def _add_cancelling(router: APIRouter, canceller: Canceller) -> None:
    router.add_api_route(
        "/operations/cancel",
        canceller.cancel_operations,
        methods=["POST"],
        response_model=CancelOutcomes,
        responses=documented(400, 401, 403, 409, 422, 503),
    )
    told: dict[int | str, dict[str, Any]] = {
        202: {"model": CancelOutcome, "description": "It was told to stop; whether it has ended is not known."}
    }
    router.add_api_route(
        "/operations/{operation_id:path}/cancel",
        canceller.cancel_operation,
        methods=["POST"],
        response_model=CancelOutcome,
        responses=told | documented(400, 401, 403, 404, 409, 422, 503),
    )
