"""The operations page without a script: what it shows, how it is served, and what it lets nobody insert."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI

from hother.cancelable import Cancelable

pytest.importorskip("hother.cancelable.registry", reason="hother-cancelable-registry is not installed")

from hother.cancelable.integrations.fastapi.operations import mount_operations_page
from hother.cancelable.registry import OperationRegistry

from .operations_app import Store, client, done, everybody, page, problem, record, running, work
from .operations_html import Element, everything, parsed

EVIL = "<img src=x onerror=alert(1)>\"'&amp;$name</template><script>"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)


async def shown(http: httpx.AsyncClient, address: str = "/operations") -> Element:
    """Return the page."""
    response = await http.get(address)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    return parsed(response.text)


def cells(row: Element) -> dict[str, str]:
    """Return the texts of a row."""
    found = [*row.all("td"), *row.all("th")]
    return {each.attributes["data-cell"]: each.text for each in found}


def rows(found: Element) -> list[Element]:
    """Return the rows of the table."""
    return found.one("tbody").all("tr")


async def test_the_first_table() -> None:
    """The page shows what runs, with all that a script needs to go on from there."""
    registry, parent = OperationRegistry(), work("load", operation_id="1")
    child = work(operation_id="2", parent=parent)
    async with running(registry, parent, child), client(page(registry)) as http:
        await parent.report_progress("page 3", {"percent": 37.5})
        found = await shown(http)
    first, second = rows(found)
    told = cells(first)
    assert re.fullmatch(r"\d\.\d s", told.pop("age"))
    assert told == {
        "status": "running", "name": "load", "progress": "37 %", "worker": "local", "message": "page 3",
        "cancel": "Cancel",
    }  # fmt: skip
    assert first.one("progress").attributes["value"] == "37.5"
    assert "value" not in second.one("progress").attributes
    assert cells(second)["name"] == "2"
    data = {key: value for key, value in second.attributes.items() if key != "data-started"}
    assert data == {
        "data-id": "2", "data-status": "running", "data-cancelling": "false", "data-stuck": "false", "data-parent": "1",
    }  # fmt: skip
    body = found.one("body").attributes
    assert (body["data-base"], body["data-api"], body["data-access"]) == ("/operations", "/operations/api", "all")
    assert (body["data-backend"], body["data-cursor"], body["data-most"]) == ("local", "", "500")
    assert [each.text for each in found.one("ul", id="counts").all("li")] == ["2 running"]


async def test_the_row_that_scripts_copy() -> None:
    """A template holds an empty row, with the same cells as the others."""
    registry = OperationRegistry()
    async with running(registry, work()), client(page(registry)) as http:
        found = await shown(http)
    [template] = [each for each in everything(found) if each.tag == "template"]
    [blank] = template.children
    [row] = rows(found)
    assert set(cells(blank)) == set(cells(row))
    assert set(blank.attributes) == set(row.attributes)
    assert set(blank.attributes.values()) == {""}


async def test_nothing_runs() -> None:
    """Without operations the page says so."""
    async with client(page(OperationRegistry())) as http:
        found = await shown(http)
        assert rows(found) == []
        assert "hidden" not in found.one("p", id="empty").attributes
        assert found.all("a", rel="next") == []


@pytest.mark.parametrize("where", ["id", "name", "message", "reason", "query", "parent"])
async def test_text_is_shown_as_text(where: str) -> None:
    """What others have written is text of the page, and never a part of it."""
    registry = OperationRegistry()
    operation = work(EVIL if where == "name" else "x", operation_id=EVIL if where in ("id", "parent") else "1")
    child = work("child", parent=operation)
    query = httpx.QueryParams({"name": EVIL, "worker": EVIL, "outcome": EVIL, "other": EVIL})
    async with client(page(registry)) as http, operation, child:
        await registry.register(operation)
        await registry.register(child)
        if where == "message":
            await operation.report_progress(EVIL)
        if where == "reason":
            operation.token.cancel_sync(EVIL)
        response = await http.get(f"/operations?{query}" if where == "query" else "/operations")
    found = parsed(response.text)
    assert EVIL not in response.text
    assert [each for each in everything(found) if each.tag == "img"] == []
    assert len([each for each in everything(found) if each.tag == "script"]) == 1
    assert EVIL.split()[0] in re.sub("&lt;", "<", response.text)
    if where == "name":
        assert cells(rows(found)[0])["name"] == " ".join(EVIL.split())
    if where == "id":
        assert rows(found)[0].one("input", name="id").attributes["value"] == EVIL


async def test_nothing_is_inline_or_from_elsewhere() -> None:
    """The page holds no code and no style, and names no other host; the policy forbids them, too."""
    registry = OperationRegistry()
    async with running(registry, work()), client(page(registry)) as http:
        response = await http.get("/operations")
    assert response.headers["Content-Security-Policy"] == POLICY
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    for element in everything(parsed(response.text)):
        assert element.tag != "style"
        assert not any(key == "style" or key.startswith("on") for key in element.attributes)
        if element.tag == "script":
            assert element.attributes["src"].startswith("/operations/static/")
            assert element.text == ""
    assert "//" not in re.sub("<!doctype html>", "", response.text)


async def test_static_files() -> None:
    """The script and the style are served under names that change with them, and kept by browsers."""
    async with client(page(OperationRegistry())) as http:
        found = await shown(http)
        [style] = found.all("link", rel="stylesheet")
        for address, kind in [
            (style.attributes["href"], "text/css; charset=utf-8"),
            (found.one("script").attributes["src"], "text/javascript; charset=utf-8"),
        ]:
            response = await http.get(address)
            assert (response.status_code, response.headers["content-type"]) == (200, kind)
            assert response.headers["Cache-Control"] == "private, max-age=31536000, immutable"
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert re.search(r"/operations\.[0-9a-f]{12}\.(css|js)$", address)
        for name in ("operations.js", "operations.000000000000.js", "..%2Fpage.py", "../page.py"):
            assert (await http.get(f"/operations/static/{name}")).status_code == 404


async def test_read_only() -> None:
    """Who may only read is offered nothing to cancel with."""
    registry = OperationRegistry()
    async with running(registry, work()), client(page(registry, everybody("read"))) as http:
        response = await http.get("/operations")
        found = parsed(response.text)
    assert found.one("body").attributes["data-access"] == "read"
    assert len(rows(found)) == 1
    assert 'method="post"' not in response.text


async def test_filters_are_in_the_address() -> None:
    """The filters of the address decide what is shown, and stand in the form again; empty fields are none."""
    registry = OperationRegistry()
    async with running(registry, work("load-a"), work("load-b"), work("mail")), client(page(registry)) as http:
        found = await shown(http, "/operations?name=load&status=running&worker=local&parent=&min_age=&other=1")
        assert [cells(row)["name"] for row in rows(found)] == ["load-a", "load-b"]
        fields = found.one("form", id="filters")
        assert fields.one("input", name="name").attributes["value"] == "load"
        assert fields.one("input", name="worker").attributes["value"] == "local"
        [chosen] = [each for each in fields.all("option") if "selected" in each.attributes]
        assert chosen.attributes["value"] == "running"
        assert rows(await shown(http, "/operations?cancelling=true")) == []
        assert (
            "checked" in (await shown(http, "/operations?cancelling=true")).one("input", name="cancelling").attributes
        )
        assert rows(await shown(http, "/operations?min_age=2.5e9")) == []
        for query in ("status=odd", "min_age=0", "cancelling=perhaps"):
            status, detail = problem(await http.get(f"/operations?{query}"))
            assert (status, detail) == (422, f"the filter is not valid: {query.partition('=')[0]}")


async def test_next_page() -> None:
    """What does not fit is behind a link, which keeps the filters."""
    registry = OperationRegistry()
    operations = [work(f"load-{number}") for number in range(150)]
    operations += [work("mail") for _ in range(5)]
    for operation in operations:
        await registry.register(operation)
    async with client(page(registry)) as http:
        found = await shown(http, "/operations?name=load")
        assert len(rows(found)) == 100
        following = await shown(http, found.one("a", rel="next").attributes["href"])
        assert [cells(row)["name"] for row in rows(following)] == [f"load-{number}" for number in range(100, 150)]
        assert following.all("a", rel="next") == []


async def test_one_that_was_told_and_still_runs() -> None:
    """An operation that was told to stop stays listed, and says so."""
    registry, operation = OperationRegistry(), Cancelable(operation_id="1", move_on=True)
    async with client(page(registry)) as http, operation:
        await registry.register(operation)
        operation.token.cancel_sync("enough")
        with_row = parsed((await http.get("/operations")).text)
        [row] = rows(with_row)
    assert cells(row)["status"] == "running, told to stop (manual: enough)"
    assert row.attributes["data-cancelling"] == "true"
    assert "disabled" in row.one("button").attributes


async def test_what_the_page_says_of_itself() -> None:
    """The page says whether it shows all processes, or this one alone; stuck and lost operations say so."""
    store = Store(record("1", stuck="at line 7"))
    app = page(OperationRegistry(store))
    async with client(app) as http:
        found = await shown(http)
        assert found.one("p", id="standing").text == "All processes."
        assert cells(rows(found)[0])["status"] == "running, stuck"
        assert rows(found)[0].attributes["data-stuck"] == "true"
        assert [each.text for each in found.all("li")] == ["2 running", "3 completed", "2 cancelled"]
        store.is_away = True
        found = await shown(http)
        assert found.one("body").attributes["data-backend"] == "degraded"
        assert found.one("p", id="standing").text == "This process alone: the shared store cannot be reached."


@pytest.mark.parametrize("prefix", ["root_path", "mounted", "router"])
async def test_addresses_below_a_prefix(prefix: str) -> None:
    """Behind a proxy that takes a prefix away, in a mounted app, and in a router, all addresses are right."""
    registry, app = OperationRegistry(), FastAPI()
    if prefix == "root_path":
        mount_operations_page(app, registry, authorize=everybody(), path="/ops")
    elif prefix == "mounted":
        inner = FastAPI()
        mount_operations_page(inner, registry, authorize=everybody(), path="/ops")
        app.mount("/outer", inner)
    else:
        router = APIRouter(prefix="/outer")
        mount_operations_page(router, registry, authorize=everybody(), path="/ops")
        app.include_router(router)
    inside = "" if prefix == "root_path" else "/outer"
    transport = httpx.ASGITransport(app, root_path="" if inside else "/outer")
    async with running(registry, work()), httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        found = await shown(http, f"{inside}/ops")
        body = found.one("body").attributes
        assert (body["data-base"], body["data-api"]) == ("/outer/ops", "/outer/ops/api")
        assert found.one("script").attributes["src"].startswith("/outer/ops/static/")
        assert rows(found)[0].one("form").attributes["action"] == "/outer/ops/cancel"
        source = found.one("script").attributes["src"].removeprefix("/outer" if not inside else "")
        assert (await http.get(source)).status_code == 200
        assert (await http.get(f"{inside}/ops/api/stats")).status_code == 200


@pytest.mark.parametrize("path", ["", "/", "operations", "/operations/"])
def test_impossible_paths(path: str) -> None:
    """A path that is none is refused at once."""
    with pytest.raises(ValueError, match="path must begin with a slash and not end with one"):
        page(OperationRegistry(), path=path)


async def test_history_is_counted() -> None:
    """What has ended is counted by how it ended."""
    registry = OperationRegistry()
    await done(registry, work(), work())
    async with client(page(registry)) as http:
        counts: Any = (await shown(http)).one("ul", id="counts").all("li")
        assert [each.text for each in counts] == ["2 completed"]
