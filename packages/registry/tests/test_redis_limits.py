"""Limits of several processes, and filters and positions at the edge of what makes sense."""

from __future__ import annotations

import pytest

pytest.importorskip("redis", reason="the shared store needs the extra redis, which is not installed")

from hother.cancelable.registry import OperationFilter

from .fake_process import FakeProcess
from .redis_server import namespace

pytestmark = pytest.mark.server
ALL = OperationFilter()


def test_history_limits_that_differ() -> None:
    """The greatest limit of those that take part holds, whoever writes; when its process leaves, the next one does."""
    with namespace() as here:
        small, large = FakeProcess(here.backend(history_limit=5)), FakeProcess(here.backend(history_limit=20))
        assert large.backend.history(ALL, 100, None) == []  # both take part now
        for number in range(40):
            small.start(str(number))
            small.end(str(number))
        assert len(small.backend.history(ALL, 100, None)) == 20
        large.backend.close()
        small.start("last")
        small.end("last")
        assert len(small.backend.history(ALL, 100, None)) == 5


def test_a_limit_beyond_all_numbers() -> None:
    """A limit that is greater than any number of the server is as good as none, and keeps nobody from taking part."""
    with namespace() as here:
        one = FakeProcess(here.backend(history_limit=10**400))
        one.start("a")
        one.end("a")
        assert [record.id for record in one.backend.history(ALL, 10, None)] == ["a"]
        assert one.backend.health()["errors"] == 0


def test_counting_what_a_page_has() -> None:
    """A worker or parent without a name is none that runs anything, and counts nothing."""
    with namespace() as here:
        one = FakeProcess(here.backend())
        one.start("a")
        for wanted in (OperationFilter(worker=""), OperationFilter(parent_id="")):
            assert (one.backend.page(wanted, 10, None).records, one.backend.count(wanted)) == ([], 0)
        assert one.backend.count(ALL) == 1


@pytest.mark.parametrize("after", ["latest", "", "1-2-3", "-1", "1-", "\u0661"])
def test_a_position_that_is_none(after: str) -> None:
    """Who follows events from a place that cannot be is told so, and does not wait for ever."""
    with namespace() as here, pytest.raises(ValueError, match="is no id of an event; begin with after=None"):
        here.backend().events(after, 0.1)


@pytest.mark.parametrize("after", ["12", "12-0", "9" * 30, "9" * 30 + "-" + "9" * 30])
def test_a_position_of_another_time(after: str) -> None:
    """Who stands where the store never was is told that something was missed."""
    with namespace() as here:
        one = FakeProcess(here.backend())
        one.start("a")
        one.backend.get("a")
        assert [event.kind for event in one.backend.events(after, 0.1)] == ["missed"]
