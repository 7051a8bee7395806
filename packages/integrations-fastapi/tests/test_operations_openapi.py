"""What the OpenAPI document of an app tells of the router."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.openapi.models import OpenAPI

pytest.importorskip("hother.cancelable.registry", reason="hother-cancelable-registry is not installed")

from hother.cancelable.integrations.fastapi.operations import operations_router
from hother.cancelable.registry import OperationRegistry

from .operations_app import api, client, everybody, page


def described(app: FastAPI) -> dict[str, Any]:
    """Return the paths of the document, which must be one that the standard allows."""
    document = app.openapi()
    OpenAPI.model_validate(document)
    return dict(document["paths"])


def test_every_route_is_described() -> None:
    """The document names each route, what it returns, and the problems it may answer with."""
    paths = described(api(OperationRegistry()))
    assert set(paths) == {
        "/operations",
        "/operations/{operation_id}",
        "/operations/{operation_id}/tree",
        "/operations/{operation_id}/cancel",
        "/operations/cancel",
        "/history",
        "/workers",
        "/stats",
        "/health",
        "/events",
    }
    for path, methods in paths.items():
        for route in methods.values():
            assert route["description"]
            assert route["tags"] == ["operations"]
            assert {"401", "403"} <= set(route["responses"])
            for status, response in route["responses"].items():
                kind = "text/event-stream" if path == "/events" else "application/json"
                assert list(response["content"]) == [kind if status.startswith("2") else "application/problem+json"]


def test_models_of_the_cancel_routes() -> None:
    """The document names the bodies and answers of the routes that cancel, and their status codes."""
    paths = described(api(OperationRegistry()))
    one, several = paths["/operations/{operation_id}/cancel"]["post"], paths["/operations/cancel"]["post"]
    assert set(one["responses"]) == {"200", "202", "400", "401", "403", "404", "409", "422", "503"}
    assert set(several["responses"]) == {"200", "400", "401", "403", "409", "422", "503"}
    for status in ("200", "202"):
        assert one["responses"][status]["content"]["application/json"]["schema"]["$ref"].endswith("/CancelOutcome")
    assert several["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/CancelOperations")
    [wait] = [each for each in one["parameters"] if each["name"] == "wait"]
    assert wait["required"] is False


def test_the_caller_is_no_parameter() -> None:
    """What serves the router inside is not described as something that a client may send."""
    for path, methods in described(api(OperationRegistry())).items():
        for route in methods.values():
            names = {each["name"] for each in route.get("parameters", [])}
            assert not names & {"caller", "request", "response"}, path


def test_it_can_be_left_out() -> None:
    """The router and the page appear in the document only where that is wanted."""
    assert described(api(OperationRegistry(), include_in_schema=False)) == {}
    assert described(page(OperationRegistry())) == {}
    assert "/operations/api/stats" in described(page(OperationRegistry(), include_in_schema=True))


async def test_prefixes() -> None:
    """The router is put below any prefix, in an app or in another router, more than once."""
    registry, app, outer = OperationRegistry(), FastAPI(), APIRouter(prefix="/v1")
    router = operations_router(registry, authorize=everybody())
    outer.include_router(router, prefix="/admin")
    app.include_router(outer)
    app.include_router(router, prefix="/ops")
    async with client(app) as http:
        for path in ("/v1/admin/operations", "/ops/operations"):
            assert (await http.get(path)).json()["backend"] == "local"
        assert (await http.get("/operations")).status_code == 404


async def test_other_routes_keep_their_errors() -> None:
    """The app's own errors look as before: problem details are those of the router alone."""
    app = api(OperationRegistry())

    @app.get("/mine")
    async def mine(number: int) -> int:
        return number

    async with client(app) as http:
        response = await http.get("/mine?number=x")
        assert (response.status_code, response.headers["content-type"]) == (422, "application/json")
        assert (await http.get("/nothing")).headers["content-type"] == "application/json"
