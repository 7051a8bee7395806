"""Wrong arguments are refused at once, with what to do instead; so they are by the view for threads."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from hother.cancelable.registry import OperationRegistry, RecordStatus, ThreadSafeRegistry

from .fake_backend import FakeBackend

FIRST = datetime.min  # noqa: DTZ901 (it cannot be told in UTC)
STATUSES = ", ".join(RecordStatus)
FILTERS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"status": "done"}, ValueError, f"status must be one of {STATUSES}, not 'done'"),
    ({"status": ["running", "done"]}, ValueError, f"status must be one of {STATUSES}, not 'done'"),
    ({"status": 3}, TypeError, "status must be one status or a list of them, not 3"),
    ({"status": b"running"}, TypeError, "status must be one status or a list of them, not b'running'"),
    ({"status": ""}, ValueError, f"status must be one of {STATUSES}, not ''"),
    ({"name_pattern": 3}, TypeError, "name_pattern must be a string, not 3"),
    ({"parent_id": 3}, TypeError, "parent_id must be a string, not 3"),
    ({"worker": b"a"}, TypeError, "worker must be a string, not b'a'"),
    ({"min_age": "old"}, TypeError, "min_age must be "),
    ({"min_age": 0}, ValueError, "min_age must be "),
    ({"min_age": -1}, ValueError, "min_age must be "),
    ({"min_age": math.nan}, ValueError, "min_age must be "),
    ({"cancelling": "yes"}, TypeError, "cancelling must be True or False, not 'yes'"),
    ({"nmae": "a"}, TypeError, "there is no filter 'nmae'; there are status, name_pattern, parent_id, worker, "),
]
CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any], type[Exception], str]] = [
    ("register", ("1",), {}, TypeError, "operation must be a Cancelable, not '1'"),
    ("unregister", (3,), {}, TypeError, "operation_id must be a string, not 3"),
    ("get_operation", ([],), {}, TypeError, "operation_id must be a string, not []"),
    ("get", (None,), {}, TypeError, "operation_id must be a string, not None"),
    ("tree", (3,), {}, TypeError, "root must be the id of an operation, not 3"),
    ("page", (0,), {}, ValueError, "limit must be 1 at least, not 0"),
    ("page", (2.5,), {}, TypeError, "limit must be a whole number, not 2.5"),
    ("page", (True,), {}, TypeError, "limit must be a whole number, not True"),
    ("page", (5, "three"), {}, ValueError, "the cursor 'three' is none that a page gave; ask for the first page with"),
    ("page", (5, "local:x:y"), {}, ValueError, "the cursor 'local:x:y' is none that a page gave"),
    ("page", (5, 3), {}, TypeError, "cursor must be what a page gave, not 3"),
    ("cancel", (3,), {}, TypeError, "operation_id must be a string, not 3"),
    ("cancel", ("1", "enough"), {}, TypeError, "reason must be a CancelationReason, not 'enough'"),
    ("cancel", ("1",), {"message": 3}, TypeError, "message must be a string, not 3"),
    ("cancel", ("1",), {"wait": 0}, ValueError, "wait must be "),
    ("cancel", ("1",), {"wait": math.nan}, ValueError, "wait must be "),
    ("cancel", ("1",), {"wait": "long"}, TypeError, "wait must be "),
    ("cancel_operation", ("1", 3), {}, TypeError, "reason must be a CancelationReason, not 3"),
    ("cancel_all", (), {"reason": "enough"}, TypeError, "reason must be a CancelationReason, not 'enough'"),
    ("get_history", (-1,), {}, ValueError, "limit must be 0 at least, not -1"),
    ("get_history", ("all",), {}, TypeError, "limit must be a whole number, not 'all'"),
    ("get_history", (), {"status": "done"}, ValueError, f"status must be one of {STATUSES}, not 'done'"),
    ("get_history", (), {"since": "today"}, TypeError, "since must be a datetime or seconds since the epoch, not 'to"),
    ("get_history", (), {"since": True}, TypeError, "since must be a datetime or seconds since the epoch, not True"),
    ("get_history", (), {"since": FIRST}, ValueError, "since must be a moment that this computer can tell in "),
    (
        "get_history",
        (),
        {"since": math.nan},
        ValueError,
        "since must be a datetime or seconds since the epoch, n",
    ),
    ("get_history", (), {"name_pattern": 3}, TypeError, "name_pattern must be a string, not 3"),
    ("cleanup_completed", (0,), {}, ValueError, "older_than must be "),
    ("cleanup_completed", ("old",), {}, TypeError, "older_than must be "),
]
CALLS_WITH_FILTERS = [
    (name, (), *refused) for refused in FILTERS for name in ("list_operations", "page", "count", "cancel_all")
]

WRONG: Any = 3
TEXT: Any = "1"
MAKERS: list[tuple[Callable[[], object], type[Exception], str]] = [
    (lambda: OperationRegistry(history_limit=-1), ValueError, "history_limit must be 0 at least, not -1"),
    (lambda: OperationRegistry(history_limit=WRONG / 2), TypeError, "history_limit must be a whole number, not 1.5"),
    (lambda: ThreadSafeRegistry(WRONG), TypeError, "registry must be an OperationRegistry, not 3"),
    (lambda: OperationRegistry().events(WRONG), TypeError, "after must be the id of an event, not 3"),
    (lambda: OperationRegistry().events("latest"), ValueError, "'latest' is no id of an event; begin with after="),
    (lambda: ThreadSafeRegistry().events(WRONG), TypeError, "after must be the id of an event, not 3"),
    (lambda: ThreadSafeRegistry().events("latest"), ValueError, "'latest' is no id of an event"),
    (lambda: ThreadSafeRegistry().events(timeout=0), ValueError, "timeout must be "),
    (lambda: ThreadSafeRegistry().events(timeout=TEXT), TypeError, "timeout must be "),
]


@pytest.mark.loops("asyncio")
@pytest.mark.parametrize(
    ("name", "args", "options", "error", "text"),
    CALLS + CALLS_WITH_FILTERS,
    ids=map(str, range(len(CALLS + CALLS_WITH_FILTERS))),
)
async def test_calls(
    name: str, args: tuple[Any, ...], options: dict[str, Any], error: type[Exception], text: str
) -> None:
    """Both registries refuse what cannot be meant, and name the argument and the value."""
    registry = OperationRegistry()
    with pytest.raises(error) as caught:
        await getattr(registry, name)(*args, **options)
    assert text in str(caught.value)
    with pytest.raises(error) as caught:
        getattr(ThreadSafeRegistry(registry), name)(*args, **options)
    assert text in str(caught.value)


@pytest.mark.parametrize(("make", "error", "text"), MAKERS, ids=map(str, range(len(MAKERS))))
def test_making(make: Callable[[], object], error: type[Exception], text: str) -> None:
    """Registries and feeds are not made from what they cannot use."""
    with pytest.raises(error) as caught:
        make()
    assert text in str(caught.value)


def test_limits_beyond_any_memory() -> None:
    """A limit that is greater than any history is none."""
    registry = ThreadSafeRegistry(OperationRegistry(history_limit=10**30))
    assert registry.get_history(10**30) == []
    assert registry.page(10**30).records == []


def test_an_address_is_no_backend() -> None:
    """Who gives an address in place of a backend is told so, without the password in it."""
    with pytest.raises(TypeError, match=r"backend must be a Backend, like RedisBackend\(.*\), not a str") as caught:
        OperationRegistry("redis://user:secret@localhost")  # type: ignore[arg-type]
    assert "secret" not in str(caught.value)
    with pytest.raises(TypeError, match=r"backend must be a Backend, .*, not a type"):
        OperationRegistry(FakeBackend)  # type: ignore[arg-type]
