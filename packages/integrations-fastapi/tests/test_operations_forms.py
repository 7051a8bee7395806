"""Cancelling with the forms of the page, without a script."""

from __future__ import annotations

import httpx
import pytest
from starlette.types import Message

pytest.importorskip("hother.cancelable.registry", reason="hother-cancelable-registry is not installed")

from hother.cancelable.registry import OperationRegistry

from .operations_app import Store, client, done, everybody, page, problem, record, running, work
from .operations_html import parsed

SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}


async def form_of(http: httpx.AsyncClient, address: str = "/operations") -> tuple[str, dict[str, str]]:
    """Return where the form of the first row goes, and what it sends."""
    found = parsed((await http.get(address)).text)
    form = found.one("tbody").all("form")[0]
    return form.attributes["action"], {
        each.attributes["name"]: each.attributes.get("value", "") for each in form.all("input")
    }


async def test_cancel_by_form() -> None:
    """The form of a row cancels its operation, with a message, and leads back to the page, which tells the outcome."""
    registry, operation = OperationRegistry(), work(operation_id="a/b ä")
    async with running(registry, operation), client(page(registry), headers=SAME_ORIGIN) as http:
        action, fields = await form_of(http, "/operations?status=running&name=&other=x")
        response = await http.post(action, data=fields | {"message": " nicht nötig "})
        assert (response.status_code, response.headers["Location"]) == (
            303,
            "/operations?status=running&outcome=requested",
        )
        found = parsed((await http.get(response.headers["Location"])).text)
        assert found.one("p", id="notice").text == "It was told to stop. It is listed until it has ended."
        assert operation.token.message == "nicht nötig"


@pytest.mark.parametrize(
    ("outcome", "notice"),
    [
        ("already_requested", "It had been told to stop before."),
        ("ended", "It has ended."),
        ("not_found", "There is no such operation."),
        ("unavailable", "It was not told: the shared store cannot be reached."),
    ],
)
async def test_other_outcomes(outcome: str, notice: str) -> None:
    """Whatever comes of the form is said on the page."""
    store = Store(record("already_requested"))
    registry = OperationRegistry(store)
    await done(registry, work(operation_id="ended"))
    async with client(page(registry)) as http:
        action, fields = await form_of(http)
        await http.post(action, data=fields)
        store.is_away = outcome == "unavailable"
        response = await http.post(action, data=fields | {"id": outcome})
        assert response.headers["Location"] == f"/operations?outcome={outcome}"
        assert parsed((await http.get(response.headers["Location"])).text).one("p", id="notice").text == notice


@pytest.mark.parametrize("forged", ["", "x", "A" * 43, None])
async def test_forged_tokens(forged: str | None) -> None:
    """A form whose token is not that of the cookie cancels nothing."""
    registry, operation = OperationRegistry(), work()
    async with running(registry, operation), client(page(registry)) as http:
        action, fields = await form_of(http)
        if forged is None:
            del fields["csrf"]
        else:
            fields["csrf"] = forged
        response = await http.post(action, data=fields)
        assert problem(response)[0] == 403
        assert not operation.cancel_requested


async def test_form_without_the_cookie() -> None:
    """A form from a page of another site, with which the browser sends no cookie, cancels nothing."""
    registry, operation = OperationRegistry(), work()
    async with running(registry, operation), client(page(registry)) as http:
        action, fields = await form_of(http)
        http.cookies.clear()
        for token in (fields["csrf"], ""):
            assert problem(await http.post(action, data=fields | {"csrf": token}))[0] == 403
        assert not operation.cancel_requested


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_form_of_another_site(site: str) -> None:
    """A form that the browser says to come from elsewhere cancels nothing, even with the right token."""
    registry, operation = OperationRegistry(), work()
    async with running(registry, operation), client(page(registry)) as http:
        action, fields = await form_of(http)
        response = await http.post(action, data=fields, headers={"Sec-Fetch-Site": site})
        assert problem(response)[0] == 403
        assert not operation.cancel_requested


async def test_read_only() -> None:
    """Who may only read cancels nothing with a form that was made by hand."""
    registry, operation = OperationRegistry(), work(operation_id="1")
    async with running(registry, operation), client(page(registry, everybody("read"))) as http:
        await http.get("/operations")
        token = http.cookies["cancelable_csrf"]
        assert problem(await http.post("/operations/cancel", data={"csrf": token, "id": "1"}))[0] == 403
        assert not operation.cancel_requested


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_cookie(scheme: str) -> None:
    """The cookie stays with this site and out of reach of scripts; with TLS it is sent over TLS alone."""
    async with client(page(OperationRegistry())) as http:
        response = await http.get(f"{scheme}://test/operations")
        name, *attributes = response.headers["Set-Cookie"].split("; ")
        assert name.startswith("cancelable_csrf=")
        secure = ["Secure"] if scheme == "https" else []
        assert sorted(attributes) == sorted(["HttpOnly", "Path=/operations", "SameSite=strict", *secure])


async def test_forms_of_several_tabs() -> None:
    """A second page does not take the token of the first away; a cookie that is none of ours is replaced."""
    registry, operation = OperationRegistry(), work()
    async with running(registry, operation), client(page(registry)) as http:
        action, first = await form_of(http)
        _, second = await form_of(http)
        assert first["csrf"] == second["csrf"]
        assert (await http.post(action, data=first)).status_code == 303
    async with client(page(registry), cookies={"cancelable_csrf": "mine"}) as http:
        response = await http.get("/operations")
        assert "cancelable_csrf=mine" not in response.headers["Set-Cookie"]


async def test_impossible_forms() -> None:
    """What is no form is refused."""
    async with client(page(OperationRegistry())) as http:
        await http.get("/operations")
        assert problem(await http.post("/operations/cancel", content=b"\xff"))[0] == 422
        assert problem(await http.post("/operations/cancel", content=b"&".join([b"a=1"] * 30)))[0] == 422
        assert problem(await http.post("/operations/cancel", content=b'{"id": "1"}'))[0] == 403


async def test_forms_that_are_too_long() -> None:
    """What is too long for a form is not read to its end, which for a hostile one may never come."""
    sent, received = list[Message](), list[Message]()

    async def receive() -> Message:
        received.append({"type": "http.request", "body": b"x" * 10_000, "more_body": True})
        return received[-1]

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/operations/cancel", "headers": [], "query_string": b""}
    await page(OperationRegistry())(scope, receive, send)
    assert (sent[0]["status"], len(received)) == (413, 2)
