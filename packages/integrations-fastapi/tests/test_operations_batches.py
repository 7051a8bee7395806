"""Cancelling several operations over HTTP: counted first, confirmed, and bounded."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from hother.cancelable import CancelationReason

pytest.importorskip("hother.cancelable.registry", reason="hother-cancelable-registry is not installed")

from hother.cancelable.registry import OperationRegistry

from .operations_app import CHANGE, Store, api, client, problem, record, running, work


async def test_several_at_once() -> None:
    """A filter is counted first; then exactly what matches is told, with the reason and message."""
    registry, operations = OperationRegistry(), [work(name) for name in ("load-a", "load-b", "mail")]
    async with running(registry, *operations), client(api(registry), headers=CHANGE) as http:
        chosen: dict[str, Any] = {"filter": {"name": "load"}, "reason": "condition", "message": "full"}
        counted = (await http.post("/operations/cancel", json=chosen | {"dry_run": True})).json()
        assert counted == {"dry_run": True, "count": 2, "limit": 500, "told": 0, "already": 0}
        assert not any(operation.cancel_requested for operation in operations)
        response = await http.post("/operations/cancel", json=chosen | {"expected_count": 2})
        assert (response.status_code, response.json()["told"], response.json()["already"]) == (200, 2, 0)
        assert [operation.cancel_requested for operation in operations] == [True, True, False]
        await anyio.wait_all_tasks_blocked()
    for each in await registry.get_history(name_pattern="load"):
        assert (each.cancel_reason, each.cancel_message) == (CancelationReason.CONDITION, "full")


async def test_more_match_than_were_confirmed() -> None:
    """Where more match than were counted nothing is told; where fewer do, those are."""
    registry, operations = OperationRegistry(), [work() for _ in range(3)]
    async with running(registry, *operations), client(api(registry), headers=CHANGE) as http:
        response = await http.post("/operations/cancel", json={"filter": {}, "expected_count": 2})
        assert problem(response)[0] == 409
        assert response.json()["count"] == 3
        assert not any(operation.cancel_requested for operation in operations)
        response = await http.post("/operations/cancel", json={"filter": {}, "expected_count": 4})
        assert (response.json()["count"], response.json()["told"]) == (3, 3)


async def test_those_that_were_told_are_not_told_again() -> None:
    """What was told to stop and still runs is not counted, unless it is asked for."""
    registry, first, second = OperationRegistry(), work(), work()
    async with client(api(registry), headers=CHANGE) as http, first, second:
        for operation in (first, second):
            await registry.register(operation)
        first.token.cancel_sync()
        for selection, count in [({}, 1), ({"cancelling": False}, 1), ({"cancelling": True}, 1)]:
            response = await http.post("/operations/cancel", json={"filter": selection, "dry_run": True})
            assert response.json()["count"] == count
        response = await http.post("/operations/cancel", json={"filter": {"cancelling": True}, "expected_count": 1})
        assert (response.json()["told"], response.json()["already"]) == (0, 1)
        assert not second.cancel_requested
        with anyio.CancelScope(shield=True):
            await registry.clear_all()


async def test_at_most_500() -> None:
    """One request tells the 500 oldest, and a further one the rest."""
    registry, operations = OperationRegistry(), [work() for _ in range(510)]
    for operation in operations:
        await registry.register(operation)
    async with client(api(registry), headers=CHANGE) as http:
        response = await http.post("/operations/cancel", json={"filter": {}, "expected_count": 510})
        assert (response.json()["count"], response.json()["told"]) == (510, 500)
        assert [operation.cancel_requested for operation in operations] == [True] * 500 + [False] * 10
        response = await http.post("/operations/cancel", json={"filter": {}, "expected_count": 10})
        assert response.json()["told"] == 10


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"filter": {}},
        {"dry_run": True},
        {"filter": None, "dry_run": True},
        {"filter": {"nmae": "x"}, "dry_run": True},
        {"filter": {"status": ["odd"]}, "dry_run": True},
        {"filter": {"min_age": 0}, "dry_run": True},
        {"filter": {}, "expected_count": -1},
        {"filter": {}, "expected_count": 1, "force": True},
    ],
)
async def test_impossible_selections(body: dict[str, Any]) -> None:
    """Without a filter that is understood, or without the count, nothing is told: a typing error cancels nothing."""
    registry, operation = OperationRegistry(), work()
    async with running(registry, operation), client(api(registry), headers=CHANGE) as http:
        assert problem(await http.post("/operations/cancel", json=body))[0] == 422
        assert not operation.cancel_requested


async def test_the_store_goes_away_between_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the store goes away in the midst, the answer is 503; who was told by then is in the audit trail."""
    store = Store(record("1"), record("2"))
    cancel = store.cancel

    def cancel_and_go_away(*args: Any) -> Any:
        result = cancel(*args)
        store.is_away = True
        return result

    monkeypatch.setattr(store, "cancel", cancel_and_go_away)
    async with client(api(OperationRegistry(store)), headers=CHANGE) as http:
        response = await http.post("/operations/cancel", json={"filter": {}, "expected_count": 2})
    assert problem(response)[0] == 503
    assert [each[0] for each in store.told] == ["1"]


async def test_several_in_other_processes() -> None:
    """A filter tells the operations of all processes."""
    store = Store(record("1"), record("2", worker="w3"), record("3"))
    async with client(api(OperationRegistry(store)), headers=CHANGE) as http:
        response = await http.post("/operations/cancel", json={"filter": {"worker": "w2"}, "expected_count": 2})
    assert (response.json()["told"], [each[0] for each in store.told]) == (2, ["1", "3"])
