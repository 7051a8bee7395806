"""Who is let in, who may cancel, and which requests are taken for another site's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI, HTTPException, Request

pytest.importorskip("hother.cancelable.registry", reason="hother-cancelable-registry is not installed")

from hother.cancelable.integrations.fastapi.operations import (
    Access,
    allow_loopback_only,
    mount_operations_page,
    operations_router,
)
from hother.cancelable.registry import OperationRegistry, ThreadSafeRegistry

from .operations_app import CHANGE, api, client, everybody, page, problem, running, work

PATHS = ["operations", "operations/1", "operations/1/tree", "history", "workers", "stats", "health", "events"]


async def nobody(request: Request) -> None:
    """Let nobody in."""


@pytest.mark.parametrize("make", [operations_router, mount_operations_page])
@pytest.mark.parametrize("options", [{}, {"authorize": None}, {"authorize": "all"}])
def test_authorize_is_required(make: Callable[..., Any], options: dict[str, Any]) -> None:
    """Without a function that authorizes there is no router, and the error says what to pass."""
    arguments = [OperationRegistry()] if make is operations_router else [FastAPI(), OperationRegistry()]
    with pytest.raises(TypeError, match=r"needs authorize=, .*'all', 'read'.*allow_loopback_only\(\)"):
        make(*arguments, **options)


def test_registry_is_required() -> None:
    """Something else than an `OperationRegistry` is refused, also the view for threads."""
    wrong: Any = ThreadSafeRegistry(OperationRegistry())
    with pytest.raises(TypeError, match="registry must be an OperationRegistry, not"):
        operations_router(wrong, authorize=everybody())
    with pytest.raises(TypeError, match="registry must be an OperationRegistry, not"):
        mount_operations_page(FastAPI(), registry=wrong, authorize=everybody())


@pytest.mark.parametrize(
    ("peer", "is_let_in"),
    [
        ("127.0.0.1", True),
        ("127.8.0.3", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("10.0.0.1", False),
        ("128.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("2001:db8::1", False),
        ("::", False),
        ("0.0.0.0", False),
        ("localhost", False),
        ("", False),
        (None, False),
    ],
)
async def test_loopback_only(peer: str | None, is_let_in: bool) -> None:
    """Only who connects from this machine is let in: IPv4, IPv6, and the one mapped into the other."""
    async with client(api(OperationRegistry(), allow_loopback_only()), peer) as http:
        assert (await http.get("/stats")).status_code == (200 if is_let_in else 403)


async def test_loopback_is_judged_by_the_peer_alone() -> None:
    """No header of a client makes a stranger local."""
    claims = {"X-Forwarded-For": "127.0.0.1", "Forwarded": "for=127.0.0.1", "X-Real-IP": "::1", "Host": "localhost"}
    async with client(api(OperationRegistry(), allow_loopback_only()), "203.0.113.9", headers=claims) as http:
        assert problem(await http.get("/stats"))[0] == 403


async def test_loopback_may_be_read_only() -> None:
    """`allow_loopback_only("read")` lets nobody cancel, and another level is refused."""
    async with client(api(OperationRegistry(), allow_loopback_only("read")), headers=CHANGE) as http:
        assert (await http.get("/stats")).status_code == 200
        assert problem(await http.post("/operations/1/cancel"))[0] == 403
    wrong: Any = "write"
    with pytest.raises(ValueError, match="level must be 'all' or 'read', not 'write'"):
        allow_loopback_only(wrong)


async def test_nobody_sees_anything() -> None:
    """Who is not let in gets 403 everywhere, before anything else of the request is looked at."""
    app = page(OperationRegistry(), nobody)
    async with client(app, headers=CHANGE) as http:
        for path in PATHS:
            assert problem(await http.get(f"/operations/api/{path}?limit=no")) == (
                403,
                "the caller may not see these operations",
            )
        for path in ("api/operations/1/cancel", "api/operations/cancel", "cancel"):
            assert problem(await http.post(f"/operations/{path}", content=b"{"))[0] == 403
        for path in ("", "/static/operations.js"):
            assert problem(await http.get(f"/operations{path}"))[0] == 403


async def test_an_error_of_authorize_is_the_answer() -> None:
    """An `HTTPException` of `authorize` becomes the answer, with its headers."""

    async def authorize(request: Request) -> None:
        raise HTTPException(401, "who are you?", {"WWW-Authenticate": "Basic"})

    async with client(api(OperationRegistry(), authorize)) as http:
        response = await http.get("/operations")
        assert problem(response) == (401, "who are you?")
        assert response.headers["WWW-Authenticate"] == "Basic"


class Later:
    """An `authorize` whose call is a coroutine function."""

    async def __call__(self, request: Request) -> Access:
        return Access("read", "carol")


def at_once(request: Request) -> Access:
    """Decide without waiting."""
    return Access("read", "bob")


def returns_a_coroutine(request: Request) -> Any:
    """Decide later, though the function is not marked as one that waits."""
    return Later()(request)


@pytest.mark.parametrize("authorize", [Later(), at_once, returns_a_coroutine, everybody("read")])
async def test_kinds_of_authorize(authorize: Any) -> None:
    """`authorize` may be sync or async, a function or an object, and return a level or an `Access`."""
    async with client(api(OperationRegistry(), authorize), headers=CHANGE) as http:
        assert (await http.get("/operations")).status_code == 200
        assert problem(await http.post("/operations/cancel", json={"filter": {}, "dry_run": True})) == (
            403,
            "the caller may see these operations, but not cancel them",
        )


@pytest.mark.parametrize("verdict", [True, "admin", "", 1, Access("write", "eve")])  # type: ignore[arg-type]
async def test_wrong_verdicts_let_nobody_in(verdict: Any) -> None:
    """What `authorize` may not return is an error of the program, and lets nobody in."""

    async def authorize(request: Request) -> Any:
        return verdict

    async with client(api(OperationRegistry(), authorize)) as http:
        with pytest.raises(TypeError, match="authorize must return 'all', 'read', an Access or None, not"):
            await http.get("/operations")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"X-Cancelable": ""}, 403),
        ({"X-Cancelable": "1"}, 202),
        ({"X-Requested-With": "fetch"}, 202),
        ({"X-Cancelable": "1", "Sec-Fetch-Site": "same-origin"}, 202),
        ({"X-Cancelable": "1", "Sec-Fetch-Site": "none"}, 202),
        ({"X-Cancelable": "1", "Sec-Fetch-Site": "same-site"}, 403),
        ({"X-Cancelable": "1", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"X-Cancelable": "1", "Sec-Fetch-Site": ""}, 403),
    ],
)
async def test_requests_of_other_sites(headers: dict[str, str], status: int) -> None:
    """What a page of another site can have a browser send cancels nothing; what scripts of this site send does."""
    registry, operation = OperationRegistry(), work(operation_id="1")
    async with running(registry, operation), client(api(registry), headers=headers) as http:
        response = await http.post("/operations/1/cancel")
        assert response.status_code == status
        assert operation.cancel_requested is (status == 202)
        assert (await http.post("/operations/cancel", json={"filter": {}, "dry_run": True})).status_code == (
            403 if status == 403 else 200
        )


async def test_get_cancels_nothing() -> None:
    """There is no way to cancel with a GET."""
    registry, operation = OperationRegistry(), work(operation_id="1")
    async with running(registry, operation), client(page(registry), headers=CHANGE) as http:
        await http.get("/operations/api/operations/1/cancel")
        await http.get("/operations/api/operations/cancel")
        await http.get("/operations/cancel?id=1")
        assert not operation.cancel_requested


async def test_answers_are_not_kept() -> None:
    """No cache keeps an answer, or the refusal of one."""
    async with client(api(OperationRegistry())) as http:
        assert (await http.get("/operations")).headers["Cache-Control"] == "no-store"
        assert (await http.get("/operations/1")).headers["Cache-Control"] == "no-store"
