"""Reading what has ended, in parts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

pytest.importorskip("hother.cancelable.registry", reason="hother-cancelable-registry is not installed")

from hother.cancelable.registry import OperationRegistry

from .operations_app import api, client, done, named, problem, running, work


async def test_history_in_parts() -> None:
    """What has ended is read from the latest on, each operation once, also while others end."""
    registry, found, query = OperationRegistry(), list[str](), "limit=2"
    await done(registry, *(work(str(number)) for number in range(5)))
    async with client(api(registry)) as http:
        while True:
            body = (await http.get(f"/history?{query}")).json()
            found.append(named(body["operations"]))
            if body["cursor"] is None:
                break
            query = f"limit=2&cursor={body['cursor']}"
            await done(registry, *(work("late") for _ in range(3)))
    assert found == ["4 3", "2 1", "0"]


async def test_long_history() -> None:
    """Parts far down in a long history are found as well."""
    registry, found, cursor = OperationRegistry(history_limit=5000), list[str](), ""
    await done(registry, *(work(str(number)) for number in range(1300)))
    async with client(api(registry)) as http:
        while cursor is not None:
            query = f"limit=400&cursor={cursor}" if cursor else "limit=400"
            body = (await http.get(f"/history?{query}")).json()
            found += [each["name"] for each in body["operations"]]
            cursor = body["cursor"]
    assert found == [str(number) for number in reversed(range(1300))]


async def test_filters_of_history() -> None:
    """What has ended is filtered by status, name and time."""
    registry, cancelled = OperationRegistry(), work("b")
    await done(registry, work("a"), work("ab"))
    async with running(registry, cancelled):
        await registry.cancel(cancelled.operation_id, wait=5)
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat().replace("+", "%2B")
    async with client(api(registry)) as http:
        for query, expected in [
            ("status=cancelled", "b"),
            ("status=completed&status=cancelled", "b ab a"),
            ("name=a", "ab a"),
            (f"since={later}", ""),
            ("since=2020-01-01T00:00:00Z", "b ab a"),
        ]:
            assert named((await http.get(f"/history?{query}")).json()["operations"]) == expected
        for query in ("cursor=x", "cursor=x:1", "since=yesterday"):
            assert problem(await http.get(f"/history?{query}"))[0] == 422
