"""The latest report of progress is kept."""

from __future__ import annotations

import math
import time
from typing import Any

import pytest

from hother.cancelable import Cancelable
from hother.cancelable.registry import OperationRegistry, Progress

from . import shared
from .shared import each_view, listed, work


async def progress(registry: OperationRegistry, operation: Cancelable) -> Progress | None:
    """Return what the registry knows."""
    record = await registry.get(operation.operation_id)
    assert record is not None
    return record.progress


@each_view
async def test_the_latest_report_is_kept(view: shared.View) -> None:
    """A record has the latest message, how much is done and when that was said; also after the end."""
    origin = OperationRegistry()
    registry, operation, before = view(origin), work(), time.time()
    await listed(origin, operation)
    async with operation:
        assert await progress(registry, operation) is None
        await operation.report_progress("half", {"percent": 50})
        said = await progress(registry, operation)
        assert said is not None
        assert (said.message, said.percent) == ("half", 50.0)
        assert before <= said.time <= time.time()
        await operation.report_progress({"page": 3})
    said = await progress(registry, operation)
    assert said is not None
    assert (said.message, said.percent) == ("{'page': 3}", None)


@pytest.mark.parametrize(
    ("metadata", "percent"),
    [
        (None, None),
        ({}, None),
        ({"pages": 3}, None),
        ({"percent": 33}, 33.0),
        ({"percent": 12.5, "current": 1, "total": 2}, 12.5),
        ({"percent": "a lot", "current": 1, "total": 2}, 50.0),
        ({"current": 3, "total": 4}, 75.0),
        ({"current": 9, "total": 4}, 100.0),
        ({"current": 1}, None),
        ({"total": 4}, None),
        ({"current": 1, "total": 0}, None),
        ({"current": 0, "total": 4}, 0.0),
        ({"percent": -3}, 0.0),
        ({"percent": 10**400}, 100.0),
        ({"percent": math.inf}, 100.0),
        ({"percent": math.nan}, None),
        ({"current": math.inf, "total": math.inf}, None),
    ],
)
async def test_how_much_is_done(metadata: dict[str, Any] | None, percent: float | None) -> None:
    """The percentage is taken from `percent`, or from `current` and `total`, and lies between 0 and 100."""
    registry, operation = OperationRegistry(), work()
    await listed(registry, operation)
    async with operation:
        await operation.report_progress("there", metadata)
        said = await progress(registry, operation)
    assert said is not None
    assert said.percent == percent
