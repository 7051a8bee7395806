"""`ops --watch` follows what happens until Ctrl-C: a table in a terminal, a line for each event in a pipe."""

from __future__ import annotations

import json

import pytest

from hother.cancelable.registry import BackendUnavailable, Event, EventKind, RecordStatus

from .cli_backend import Store, record, request, run


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is waited for."""
    monkeypatch.setattr("hother.cancelable.registry.cli.watching.PAUSE", 0)
    monkeypatch.setattr("hother.cancelable.registry.cli.watching.ROUND", 0)


def news() -> list[list[Event] | BaseException]:
    """Make a feed of an operation's life, a stranger's, and a worker's."""
    ended = record("a", "import", status=RecordStatus.CANCELLED, cancel=request(), started=100.0, ended=102.5)
    return [
        [Event("1", EventKind.STARTED, 100.0, record("a", "import"), "w1")],
        [Event("2", EventKind.STARTED, 101.0, record("b", "report"), "w1")],
        [],
        [Event("3", EventKind.FINISHED, 102.5, ended, "w1"), Event("4", EventKind.WORKER_LOST, 103.0, None, "w2")],
    ]


def test_a_line_for_each_event() -> None:
    """In a pipe: time, event, and the columns of the operation, or the worker. Ctrl-C ends it quietly."""
    store = Store()
    store.news = news()
    ran = run(store, "ops", "--watch")
    assert (ran.code, ran.err, store.is_closed) == (0, "", True)
    assert [line[1:4] for line in ran.lines] == [
        ["started", "a", "import"],
        ["started", "b", "report"],
        ["finished", "a", "import"],
        ["worker_lost", "w2"],
    ]
    assert ran.lines[2] == [
        *("1970-01-01T00:01:42.500+00:00", "finished", "a", "import", "cancelled", "2.500", "", "manual", "w1")
    ]


def test_events_that_match() -> None:
    """Filters select the events; those of workers come without any filter."""
    store = Store()
    store.news = news()
    assert [line[1:3] for line in run(store, "ops", "--watch", "--name", "imp").lines] == [
        ["started", "a"],
        ["finished", "a"],
    ]


def test_events_as_json() -> None:
    """With --json each line is one document, also in a terminal."""
    store = Store()
    store.news = news()
    lines = [json.loads(line) for line in run(store, "ops", "--watch", "--json", terminal=True).out.splitlines()]
    assert [(line["event"], line["worker"]) for line in lines][2:] == [("finished", "w1"), ("worker_lost", "w2")]
    assert (lines[0]["operation"]["id"], lines[3]["operation"]) == ("a", None)


def test_the_feed_is_read_on() -> None:
    """Each read goes on after the last event."""
    asked = list[str]()

    class Noting(Store):
        def events(self, after: str, timeout: float) -> list[Event]:
            asked.append(after)
            return super().events(after, timeout)

    store = Noting()
    store.news = news()
    run(store, "ops", "--watch")
    assert asked == ["0", "1", "2", "2", "4"]


def test_a_pipe_whose_store_goes_away() -> None:
    """A program that reads the lines must not wait for ever: exit code 5."""
    store = Store()
    store.news = [[], BackendUnavailable("no answer")]
    ran = run(store, "ops", "--watch")
    assert (ran.code, ran.err) == (5, "no answer\n")


def test_a_table_that_follows() -> None:
    """In a terminal the table is drawn anew at each event, and stays there after Ctrl-C."""

    class Changing(Store):
        def events(self, after: str, timeout: float) -> list[Event]:
            found = super().events(after, timeout)
            self.running["b"] = record("b", "report")
            return found

    store = Changing(record("a", "import"))
    store.news = [[Event("1", EventKind.STARTED, 100.0, record("b"), "w1")]]
    ran = run(store, "ops", "--watch", terminal=True)
    assert (ran.code, ran.err, store.is_closed) == (0, "", True)
    assert "1 in all" in ran.out
    last = ran.out[ran.out.index("2 in all") - 400 :]
    assert "import" in last
    assert "report" in last
    assert ran.raw.endswith("\x1b[?25h")  # the cursor is back


def test_a_table_that_is_too_long() -> None:
    """What the terminal has no room for is counted."""
    store = Store(*(record(f"id{number}") for number in range(100)))
    out = run(store, "ops", "--watch", terminal=True).out
    assert "100 in all, 74 not shown" in out
    assert "id25" in out
    assert "id26" not in out
    assert "100 in all, 97 not shown" in run(store, "ops", "--watch", "--limit", "3", terminal=True).out


def test_a_table_whose_store_goes_away() -> None:
    """In a terminal the last table stays, says so, and goes on when the store is back."""

    class Away(Store):
        def events(self, after: str, timeout: float) -> list[Event]:
            found = super().events(after, timeout)
            self.running["b"] = record("b", "report")
            return found

    store = Away(record("a", "import"))
    store.news = [BackendUnavailable("no answer"), []]
    ran = run(store, "ops", "--watch", terminal=True)
    assert ran.code == 0
    assert "the shared store cannot be reached" in ran.out
    assert "report" in ran.out[ran.out.index("cannot be reached") :]


def test_a_store_that_is_away_at_the_start() -> None:
    """There is nothing to show then: exit code 5, in a terminal, too."""
    store = Store()
    store.is_away = True
    for terminal in (False, True):
        assert run(store, "ops", "--watch", terminal=terminal).code == 5
