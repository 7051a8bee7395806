"""What the API tells of operations, with and without a shared store."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hother.cancelable import CancelationReason

pytest.importorskip("hother.cancelable.registry", reason="hother-cancelable-registry is not installed")

from hother.cancelable.registry import (
    CancelRequest,
    OperationRegistry,
    Progress,
    RecordStatus,
    WorkerRecord,
    WorkerState,
)

from .operations_app import NUMBERS, Store, api, client, done, named, problem, record, running, work


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "load-users load-items mail"),
        ("status=running", "load-users load-items mail"),
        ("status=running&status=pending", "load-users load-items mail"),
        ("status=completed", ""),
        ("name=load", "load-users load-items"),
        ("name=load-*s", "load-users load-items"),
        ("worker=local", "load-users load-items mail"),
        ("worker=elsewhere", ""),
        ("parent=users", "load-items"),
        ("min_age=3600", ""),
        ("min_age=1e-9", "load-users load-items mail"),
        ("cancelling=true", "mail"),
        ("cancelling=false&name=users", "load-users"),
    ],
)
async def test_filters(query: str, expected: str) -> None:
    """The filters of the address are those of the registry."""
    registry, users = OperationRegistry(), work("load-users", operation_id="users")
    items, mail = work("load-items", parent=users), work("mail")
    async with client(api(registry)) as http, users, items, mail:
        for each in (users, items, mail):
            await registry.register(each)
        mail.token.cancel_sync()
        body = (await http.get(f"/operations?{query}")).json()
        assert named(body["operations"]) == expected


@pytest.mark.parametrize(
    "query",
    [
        "status=odd", "min_age=0", "min_age=-1", "min_age=nan", "min_age=inf", "min_age=x", "limit=0", "limit=501",
        "limit=x", "cancelling=perhaps", "cursor=nonsense",
    ],
)  # fmt: skip
async def test_impossible_queries(query: str) -> None:
    """What cannot be a filter, a limit or a cursor gets 422, as a problem."""
    async with client(api(OperationRegistry())) as http:
        assert problem(await http.get(f"/operations?{query}"))[0] == 422


async def test_what_is_invalid_is_named() -> None:
    """The problem of an invalid request says where it is, and does not repeat what was sent."""
    async with client(api(OperationRegistry())) as http:
        body = (await http.get("/operations?limit=secret")).json()
        assert [(each["loc"], each["type"]) for each in body["errors"]] == [(["query", "limit"], "int_parsing")]
        assert "secret" not in str(body)


async def test_pages() -> None:
    """Parts of a listing are read one after the other, by the cursor of the part before."""
    registry, found, query = OperationRegistry(), list[str](), "limit=2"
    async with running(registry, *(work(str(number)) for number in range(5))), client(api(registry)) as http:
        while True:
            body = (await http.get(f"/operations?{query}")).json()
            found.append(named(body["operations"]))
            if body["cursor"] is None:
                break
            query = f"limit=2&cursor={body['cursor']}"
    assert found == ["0 1", "2 3", "4"]


async def test_one_operation() -> None:
    """One operation is told with all that is known, while it runs and after."""
    registry = OperationRegistry()
    operation = work("job", operation_id="1", metadata={"pages": 3, "password": "geheim"})
    app = api(registry, metadata_keys=["pages", "missing"])
    async with client(app) as http:
        async with running(registry, operation):
            await operation.report_progress("half", {"percent": 50})
            before = (await http.get("/operations/1")).json()
            await registry.cancel("1", CancelationReason.SHUTDOWN, "bye", wait=5)
        after = (await http.get("/operations/1")).json()
    assert (before["backend"], before["operation"]["metadata"]) == ("local", {"pages": 3})
    running_facts, ended_facts = before["operation"], after["operation"]
    assert (running_facts["status"], running_facts["cancel"], running_facts["ended"]) == ("running", None, None)
    assert running_facts["progress"]["message"] == "half"
    assert running_facts["progress"]["percent"] == 50.0
    assert (ended_facts["status"], ended_facts["cancelling"]) == ("cancelled", False)
    assert (ended_facts["cancel"]["reason"], ended_facts["cancel"]["message"]) == ("shutdown", "bye")
    assert 0 <= ended_facts["cancel"]["delivery_seconds"] < 10
    assert 0 <= ended_facts["cancel"]["unwind_seconds"] < 10


async def test_how_long_it_took() -> None:
    """An ended operation tells how long it took from asked to told, and from told to ended; an open one what it can."""
    cancel, store = CancelRequest(CancelationReason.MANUAL, None, "admin", 100.0, 100.5), Store()
    store.running["open"] = record("open", cancel=cancel._replace(delivered=None))
    store.running["1"] = record("1", started=90.0, ended=102.25, status=RecordStatus.CANCELLED, cancel=cancel)
    async with client(api(OperationRegistry(store))) as http:
        told = (await http.get("/operations/1")).json()["operation"]
        assert (told["cancel"]["delivery_seconds"], told["cancel"]["unwind_seconds"]) == (0.5, 1.75)
        assert (told["age"], told["cancel"]["origin"]) == (12.25, "admin")
        told = (await http.get("/operations/open")).json()["operation"]
        assert (told["cancel"]["delivery_seconds"], told["cancel"]["unwind_seconds"]) == (None, None)


async def test_times_are_in_utc() -> None:
    """Times are RFC 3339 in UTC."""
    registry = OperationRegistry()
    async with running(registry, work(operation_id="1")), client(api(registry)) as http:
        body = (await http.get("/operations")).json()
    for text in (body["as_of"], body["operations"][0]["started"]):
        assert text.endswith("Z")
        assert abs(datetime.fromisoformat(text) - datetime.now(UTC)) < timedelta(minutes=1)


async def test_metadata_stays_here() -> None:
    """Without an allow-list no metadata is told."""
    registry = OperationRegistry()
    async with running(registry, work(operation_id="1", metadata={"ip": "10.0.0.1"})), client(api(registry)) as http:
        assert "10.0.0.1" not in (await http.get("/operations")).text


async def test_metadata_that_json_cannot_tell() -> None:
    """Values of any kind are told as far as JSON goes, and never break the answer."""
    endless: list[Any] = []
    endless.append(endless)
    metadata = {"nan": math.nan, "set": {1}, "object": ValueError("x"), "endless": endless, "bad": "\ud800"}
    registry = OperationRegistry()
    app = api(registry, metadata_keys=metadata)
    async with running(registry, work("\ud800", operation_id="1", metadata=metadata)), client(app) as http:
        [told] = (await http.get("/operations")).json()["operations"]
    assert told["name"] == "?"
    assert told["metadata"] == {"nan": None, "set": [1], "object": "x", "endless": "<list>", "bad": "<str>"}


@pytest.mark.parametrize("keys", ["pages", [1]])
def test_wrong_metadata_keys(keys: Any) -> None:
    """One string, which would be many keys of one letter, is refused, and so is what is no string."""
    with pytest.raises(TypeError, match="metadata_keys must be"):
        api(OperationRegistry(), metadata_keys=keys)


@pytest.mark.parametrize("identity", ["orders/42", "a b?c#d", "ä%2F", "cancel", "x/tree/y"])
async def test_any_id(identity: str) -> None:
    """An operation is found by its id, whatever that consists of."""
    registry = OperationRegistry()
    async with running(registry, work(operation_id=identity)), client(api(registry)) as http:
        quoted = "".join(f"%{byte:02X}" for byte in identity.encode())
        assert (await http.get(f"/operations/{quoted}")).json()["operation"]["id"] == identity
        assert (await http.get(f"/operations/{quoted}/tree")).json()["operations"][0]["id"] == identity


async def test_tree() -> None:
    """A tree is told as a list, each operation before its children, also where the root has ended."""
    registry, root = OperationRegistry(), work("root", operation_id="root")
    left, right = work("left", parent=root, operation_id="left"), work("right", parent=root)
    leaf = work("leaf", parent=left)
    async with client(api(registry)) as http, running(registry, left, right, leaf, work("other")):
        await registry.register(root)
        async with root:
            body = (await http.get("/operations/root/tree")).json()["operations"]
            assert [(each["name"], each["depth"]) for each in body] == [
                ("root", 0), ("left", 1), ("leaf", 2), ("right", 1),
            ]  # fmt: skip
        body = (await http.get("/operations/root/tree")).json()["operations"]
        assert [(each["name"], each["depth"]) for each in body] == [
            ("root", 0), ("left", 1), ("leaf", 2), ("right", 1),
        ]  # fmt: skip
        below = (await http.get("/operations/left/tree")).json()["operations"]
        assert [(each["name"], each["depth"]) for each in below] == [("left", 0), ("leaf", 1)]


async def test_deep_tree() -> None:
    """A tree of a thousand levels is told, too."""
    registry, operations = OperationRegistry(), [work(operation_id="0")]
    for number in range(1, 1000):
        operations.append(work(operation_id=str(number), parent=operations[-1]))
    for operation in operations:
        await registry.register(operation)
    async with client(api(registry)) as http:
        body = (await http.get("/operations/0/tree")).json()["operations"]
    assert [(each["id"], each["depth"]) for each in body] == [(str(each), each) for each in range(1000)]


async def test_unknown_operations() -> None:
    """An id that nobody has gets 404."""
    async with client(api(OperationRegistry())) as http:
        for path in ("/operations/1", "/operations/1/tree"):
            assert problem(await http.get(path)) == (404, "no operation with this id is known")


async def test_statistics() -> None:
    """Statistics are those of the registry."""
    registry = OperationRegistry()
    await done(registry, work())
    async with running(registry, work()), client(api(registry)) as http:
        body = (await http.get("/stats")).json()
        assert {key: body[key] for key in NUMBERS} == await registry.get_statistics()


async def test_shared_store() -> None:
    """With a shared store all processes are told of."""
    store = Store(record("1", progress=Progress("half", None, 5.0)), record("2", status=RecordStatus.LOST))
    store.processes = [WorkerRecord("w2", "host", 7, WorkerState.SUSPECT, "0.1", 5.0, 6.0, 2, 0.25)]
    async with client(api(OperationRegistry(store))) as http:
        body = (await http.get("/operations")).json()
        assert (body["backend"], named(body["operations"])) == ("ok", "1 2")
        [worker] = (await http.get("/workers")).json()["workers"]
        assert worker == {
            "id": "w2", "host": "host", "pid": 7, "state": "suspect", "version": "0.1", "operations": 2,
            "loop_lag": 0.25, "started": "1970-01-01T00:00:05Z", "heartbeat": "1970-01-01T00:00:06Z",
        }  # fmt: skip
        health = (await http.get("/health")).json()
        assert (health["backend"], health["queue"], health["heartbeat_age"]) == ("ok", 3, 0.5)


async def test_the_store_is_away() -> None:
    """Without the shared store this process is told of, which is said; what needs the store gets 503."""
    store = Store(record("1"))
    store.is_away = True
    registry = OperationRegistry(store)
    async with running(registry, work("here", operation_id="here")), client(api(registry)) as http:
        body = (await http.get("/operations")).json()
        assert (body["backend"], named(body["operations"])) == ("degraded", "here")
        for path in ("/stats", "/health", "/history", "/operations/here", "/operations/here/tree"):
            response = await http.get(path)
            assert (response.status_code, response.json()["backend"]) == (200, "degraded")
        for path in ("/operations/1", "/operations/1/tree", "/workers", "/operations?cursor=5"):
            response = await http.get(path)
            assert problem(response)[0] == 503
            assert response.headers["Retry-After"] == "2"
            assert "geheim" not in response.text
