"""The history: latest first, bounded, filtered, cleaned up."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hother.cancelable.registry import OperationRegistry

from . import shared
from .shared import done, each_view, listed, work


async def names(registry: OperationRegistry, *args: Any, **options: Any) -> str:
    """Return the names in the history."""
    return " ".join(record.name or "-" for record in await registry.get_history(*args, **options))


async def fail(registry: OperationRegistry, name: str) -> None:
    """Run an operation that fails."""
    operation = work(name)
    await registry.register(operation)
    with pytest.raises(KeyError):
        async with operation:
            raise KeyError(name)


@each_view
async def test_latest_first(view: shared.View) -> None:
    """The history has what has ended, the latest first, as many as asked for."""
    registry = OperationRegistry()
    await done(registry, "a", "b", "c")
    await listed(registry, work("still there"))
    assert await names(view(registry)) == "c b a"
    assert await names(view(registry), 2) == "c b"
    assert await names(view(registry), limit=0) == ""
    assert await names(view(registry), limit=9) == "c b a"


async def test_bound() -> None:
    """The oldest are forgotten beyond the limit; the numbers count them on."""
    registry = OperationRegistry(history_limit=2)
    await done(registry, "a", "b", "c")
    assert await names(registry) == "c b"
    statistics = await registry.get_statistics()
    assert (statistics["history_size"], statistics["total_completed"]) == (2, 3)


async def test_no_history() -> None:
    """With a limit of zero nothing is kept, and numbers are."""
    registry = OperationRegistry(history_limit=0)
    await done(registry, "a")
    assert await names(registry) == ""
    assert (await registry.get_statistics())["ended_by_status"] == {"completed": 1}


@each_view
async def test_filters(view: shared.View) -> None:
    """The history can be asked for by status and name."""
    registry = OperationRegistry()
    await done(registry, "load-1", "mail")
    await fail(registry, "load-2")
    assert await names(view(registry), status="failed") == "load-2"
    assert await names(view(registry), status=["completed", "failed"], name_pattern="load") == "load-2 load-1"
    assert await names(view(registry), 1, "completed") == "mail"
    assert await names(view(registry), status="cancelled") == ""


@each_view
async def test_since(view: shared.View, monkeypatch: pytest.MonkeyPatch) -> None:
    """The history can be asked for from a moment on, in seconds since the epoch or as a `datetime`."""
    registry = OperationRegistry()
    for moment, name in enumerate("abc", 1_000_000):
        monkeypatch.setattr(time, "time", lambda moment=moment: float(moment))
        await done(registry, name)
    monkeypatch.undo()
    assert await names(view(registry), since=1_000_001) == "c b"
    assert await names(view(registry), since=1_000_001.5) == "c"
    assert await names(view(registry), since=datetime.fromtimestamp(1_000_001, UTC)) == "c b"
    assert await names(view(registry), since=datetime.fromtimestamp(1_000_001)) == "c b"  # noqa: DTZ006
    assert await names(view(registry), since=datetime.now(UTC)) == ""


@each_view
async def test_cleanup(view: shared.View) -> None:
    """What has ended is forgotten on demand, failed operations only where that is said; what runs stays."""
    registry, operation = OperationRegistry(), work("running")
    await listed(registry, operation)
    await done(registry, "a", "b")
    await fail(registry, "c")
    async with operation:
        assert await view(registry).cleanup_completed() == 2
        assert await names(registry) == "c"
        assert await view(registry).cleanup_completed(keep_failed=False) == 1
        assert await names(registry) == ""
        assert await view(registry).cleanup_completed() == 0
        assert await registry.count() == 1
    assert (await registry.get_statistics())["total_completed"] == 4


@each_view
async def test_cleanup_of_what_is_old(view: shared.View, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has ended not so long ago stays."""
    registry = OperationRegistry()
    await done(registry, "new")
    ended = (await registry.get_history())[0].ended
    assert ended is not None
    for age in (3600, timedelta(hours=1)):
        assert await view(registry).cleanup_completed(older_than=age) == 0
    monkeypatch.setattr(time, "time", lambda: ended + 3601)
    assert await registry.cleanup_completed(older_than=timedelta(hours=1)) == 1


@each_view
async def test_clear_all_while_operations_run(view: shared.View) -> None:
    """What runs goes on, unlisted, and leaves no trace when it ends; it can be registered anew."""
    registry = OperationRegistry()
    first, second, pending = work("first"), work("second"), work("pending")
    await listed(registry, first, second, pending)
    await done(registry, "over")
    async with second:
        async with first:
            await view(registry).clear_all()
            assert await registry.list_operations() == []
            assert await names(registry) == ""
            await first.report_progress("on")
            await registry.register(second)
        assert first.is_completed
        assert [record.name for record in await registry.list_operations()] == ["second"]
    assert await names(registry) == "second"
    statistics = await registry.get_statistics()
    assert (statistics["total_started"], statistics["active_operations"]) == (1, 0)
