"""The command line lists operations: filters, one line for each in a pipe, a table in a terminal, JSON."""

from __future__ import annotations

import json

import pytest

from hother.cancelable import CancelationReason
from hother.cancelable.registry import Progress, RecordStatus

from .cli_backend import Store, record, request, run


def three() -> Store:
    """Make a store with an import, its child in another worker, and a report that is being cancelled."""
    return Store(
        record("a", "import", 300, progress=Progress("row 5", 50.0, 1.0)),
        record("b", "import file", 200, parent_id="a", worker="w2"),
        record("c", "report", 100, cancel=request(CancelationReason.SHUTDOWN), status=RecordStatus.RUNNING),
    )


def test_a_line_for_each_operation() -> None:
    """In a pipe each operation is one line without a head, with tabs between the columns, and the age in seconds."""
    ran = run(three(), "ops")
    assert ran.code == 0
    assert [[*line[:3], *line[4:]] for line in ran.lines] == [
        ["a", "import", "running", "50% row 5", "", "w1", ""],
        ["b", "import file", "running", "", "", "w2", "a"],
        ["c", "report", "cancelling", "", "shutdown", "w1", ""],
    ]
    assert 300 <= float(ran.lines[0][3]) < 330


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (["--name", "import"], "ab"),
        (["--name", "im*t"], "a"),
        (["--parent", "a"], "b"),
        (["--worker", "w1"], "ac"),
        (["--min-age", "150"], "ab"),
        (["--min-age", "4m"], "a"),
        (["--cancelling"], "c"),
        (["--status", "pending"], ""),
        (["--status", "pending", "--status", "running"], "abc"),
        (["--worker", "w1", "--name", "rep"], "c"),
        (["--limit", "2"], "ab"),
    ],
    ids=" ".join,
)
def test_filters(options: list[str], ids: str) -> None:
    """Each filter selects, several together select what matches all of them, and one status may be added to another."""
    ran = run(three(), "ops", *options)
    assert (ran.code, "".join(line[0] for line in ran.lines)) == (0, ids)


@pytest.mark.parametrize("given", ["90", "90s", "1.5m", "0.025h"])
def test_time_spans(given: str) -> None:
    """A time span is seconds, or a number with a unit."""
    store = Store(record("old", age=100), record("young", age=80))
    assert [line[0] for line in run(store, "ops", "--min-age", given).lines] == ["old"]


def test_what_has_ended_is_asked_for_by_its_status() -> None:
    """A final status lists the history, behind what runs."""
    store = three()
    store.ended_ones = [record("d", status=RecordStatus.FAILED), record("e", status=RecordStatus.COMPLETED)]
    assert [line[0] for line in run(store, "ops", "--status", "failed").lines] == ["d"]
    both = run(store, "ops", "--status", "running", "--status", "completed")
    assert [line[0] for line in both.lines] == ["a", "b", "c", "e"]
    store.ended_ones.append(record("f", status=RecordStatus.COMPLETED))
    four = run(store, "ops", "--status", "running", "--status", "completed", "--limit", "4")
    assert [line[0] for line in four.lines] == ["a", "b", "c", "e"]


def test_pages_of_many() -> None:
    """A pipe gets all operations, however many pages that takes."""
    store = Store(*(record(str(number)) for number in range(1234)))
    assert [line[0] for line in run(store, "ops").lines] == [str(number) for number in range(1234)]


def test_a_table_for_people() -> None:
    """A terminal gets a table with a head; a column that is empty everywhere is left out, and ages have units."""
    ran = run(three(), "ops", terminal=True)
    head, first, *_ = ran.out.splitlines()
    assert head.split() == ["ID", "NAME", "STATUS", "AGE", "PROGRESS", "REASON", "WORKER", "PARENT"]
    assert first.split() == ["a", "import", "running", "5m", "0s", "50%", "row", "5", "w1"]
    head, *_ = run(Store(record("x", "y")), "ops", terminal=True).out.splitlines()
    assert head.split() == ["ID", "NAME", "STATUS", "AGE", "WORKER"]
    assert run(Store(), "ops", terminal=True).out == "nothing found\n"


def test_a_terminal_is_not_flooded() -> None:
    """A terminal gets 100 operations and is told how many more there are."""
    store = Store(*(record(f"id{number}") for number in range(150)))
    ran = run(store, "ops", terminal=True)
    assert ran.out.count("id") == 100
    assert "50 more: --limit" in ran.out
    assert run(store, "ops", "--limit", "150", terminal=True).out.count("id") == 150


def test_an_id_is_never_cut() -> None:
    """In a narrow terminal names are cut, ids are not: they are there to be copied."""
    store = Store(record("0123456789abcdef-1234", "a name that is much too long for the width of this terminal"))
    ran = run(store, "ops", terminal=True, variables={"COLUMNS": "60"})
    assert "0123456789abcdef-1234" in ran.out
    assert "…" in ran.out


def test_text_of_others_is_harmless() -> None:
    """Names with control characters change no colour and begin no line, and brackets are no markup."""
    store = Store(record("a", "\x1b[31mred\nb\tc [bold]x[/bold]"))
    for terminal in (False, True):
        ran = run(store, "ops", terminal=terminal)
        assert "\x1b[31m" not in ran.raw
        assert r"\x1b[31mred\nb\tc [bold]x[/bold]" in ran.out
    assert len(run(store, "ops").lines) == 1


def test_json() -> None:
    """`--json` gives the records as a list, without a bound."""
    store = three()
    found = json.loads(run(store, "ops", "--json", "--worker", "w2").out)
    assert [(each["id"], each["parent_id"], each["status"]) for each in found] == [("b", "a", "running")]
    many = Store(*(record(str(number)) for number in range(120)))
    assert len(json.loads(run(many, "ops", "--json", terminal=True).out)) == 120
    assert json.loads(run(Store(), "ops", "--json").out) == []


def test_show() -> None:
    """`show` tells all that is known, also of what has ended."""
    store = Store()
    store.ended_ones = [
        record(
            "a",
            "import",
            status=RecordStatus.FAILED,
            cancel=request(message="enough"),
            error="KeyError: 'x'",
            metadata={"order": 7},
            stuck="first line\nsecond line",
            started=100.0,
            ended=102.0,
        )
    ]
    ran = run(store, "show", "a")
    assert ran.code == 0
    assert ran.lines == [
        ["id", "a"],
        ["name", "import"],
        ["status", "failed"],
        ["worker", "w1"],
        ["started", "1970-01-01T00:01:40.000+00:00"],
        ["ended", "1970-01-01T00:01:42.000+00:00"],
        ["age", "2.000"],
        ["cancel reason", "manual"],
        ["cancel message", "enough"],
        ["cancelled by", "task 'admin'"],
        ["requested", "1970-01-01T00:01:40.000+00:00"],
        ["delivered", "1970-01-01T00:01:40.500+00:00"],
        ["error", "KeyError: 'x'"],
        ["metadata order", "7"],
        ["stuck", "first line"],
        ["stuck", "second line"],
    ]
    assert "cancel reason   manual\n" in run(store, "show", "a", terminal=True).out
    assert json.loads(run(store, "show", "a", "--json").out)["metadata"] == {"order": 7}


def test_show_of_an_unknown_id() -> None:
    """An id that nobody knows is told on standard error, with exit code 1."""
    ran = run(Store(), "show", "x\x1b")
    assert (ran.code, ran.out, ran.err) == (1, "", "no operation with the id x\\x1b is known\n")


def test_a_stuck_operation_stands_out() -> None:
    """One that was told to stop long ago and still runs is called stuck."""
    store = Store(record("a", cancel=request(), stuck="here"), record("b", cancel=request()))
    assert [line[2] for line in run(store, "ops").lines] == ["stuck", "cancelling"]
