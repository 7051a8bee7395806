"""What may go wrong around the program: closed streams, odd terminals, texts of others, stores that go away."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from typing import Any

import pytest

from hother.cancelable.registry import BackendUnavailable, CancelResult, Event, EventKind, RecordStatus

from .cli_backend import Store, record, run

PROGRAM = [sys.executable, "-c", "from hother.cancelable.registry.cli import main; main()"]
LISTING = """
import sys

from hother.cancelable.registry import OperationRecord, Page, RecordStatus, View
from hother.cancelable.registry.cli import main, opening


class Store:
    def page(self, *given):
        return Page([OperationRecord("a", "\\u540d\\ud800", RecordStatus.RUNNING, "w")], None, 0, View.SHARED)

    def close(self):
        pass


opening.connect_redis = lambda url, namespace: Store()
main()
"""


def test_a_reader_that_stops() -> None:
    """In `cancelable … | head` the exit code is that of other programs there, and nothing is complained of."""
    with subprocess.Popen([*PROGRAM, "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert (process.wait(25), process.stderr.read()) == (141, b"")


def test_an_encoding_that_lacks_characters() -> None:
    """A name that the terminal's encoding does not know is escaped."""
    ran = subprocess.run(
        [sys.executable, "-c", LISTING, "ops"], capture_output=True, env={"PYTHONIOENCODING": "latin-1"}, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split(b"\t")[:3] == [b"a", rb"\u540d\ud800", b"running"]


def test_streams_that_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without standard output nothing is printed; without standard input nobody has confirmed anything."""
    store = Store(record("a", "import"))
    monkeypatch.setattr("hother.cancelable.registry.cli.stopping.sys", type("sys", (), {"stdin": None}))
    ran = run(store, "cancel", "--name", "import")
    assert (ran.code, store.told) == (6, [])
    monkeypatch.setattr("hother.cancelable.registry.cli.tables.sys", type("sys", (), {"stdout": None}))
    assert run(store, "ops").code == 0


@pytest.mark.parametrize("command", [["show", "a"], ["ops"], ["tree"]], ids=" ".join)
def test_json_is_json(command: list[str]) -> None:
    """Numbers that JSON does not have are null, however deep they are; everything else stays."""
    odd: dict[str, Any] = {"a": math.nan, "b": [math.inf, {"c": -math.inf}], "d": 1.5, "e": "NaN"}
    store = Store(record("a", metadata=odd))

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    found = json.loads(run(store, *command, "--json").out, parse_constant=refuse)
    [each] = found if isinstance(found, list) else [found]
    assert each["metadata"] == {"a": None, "b": [None, {"c": None}], "d": 1.5, "e": "NaN"}


@pytest.mark.parametrize("option", ["--name", "--parent", "--worker"])
@pytest.mark.parametrize("command", [["cancel", "--yes"], ["ops"]], ids=" ".join)
def test_a_variable_that_is_not_set(command: list[str], option: str) -> None:
    """`--name "$NAME"` with an empty variable is wrong usage, and cancels nothing: it would mean all."""
    store = Store(record("a", "import"))
    ran = run(store, *command, option, "")
    assert (ran.code, ran.out, store.told) == (2, "", [])
    assert "give a text that is not empty, or leave the option out" in ran.err


def test_a_store_that_goes_away_in_the_midst() -> None:
    """Who cancels many is told how far that has come, with exit code 5."""

    class Brief(Store):
        def cancel(self, operation_id: str, *given: Any, **more: Any) -> CancelResult:
            if len(self.told) == 2:
                raise BackendUnavailable("no answer")
            return super().cancel(operation_id, *given, **more)

    store = Brief(*(record(str(number), "import") for number in range(5)))
    ran = run(store, "cancel", "--name", "import", "--yes")
    assert (ran.code, ran.out) == (5, "")
    assert ran.err == "2 of 5 were told to stop; then the store went away:\nno answer\n"


def test_a_terminal_that_draws_nothing_anew() -> None:
    """Where the cursor cannot be moved, --watch prints a line for each event, as into a pipe."""
    store = Store()
    store.news = [[Event("1", EventKind.STARTED, 100.0, record("a", "import"), "w1")]]
    ran = run(store, "ops", "--watch", terminal=True, variables={"TERM": "dumb"})
    assert [line[1:4] for line in ran.lines] == [["started", "a", "import"]]
    assert "\x1b" not in ran.raw


@pytest.mark.parametrize("columns", ["1", "20", "40"])
def test_a_terminal_that_is_narrow(columns: str) -> None:
    """However narrow it is, every operation has a line of its own, and a picture that fits is drawn."""
    store = Store(*(record(f"id{number}", "n" * 300, progress=None) for number in range(3)))
    for arguments in (["ops"], ["ops", "--watch"], ["tree"], ["show", "id1"], ["workers"], ["stats"]):
        ran = run(store, *arguments, terminal=True, variables={"COLUMNS": columns})
        assert (ran.code, ran.err) == (0, "")


def test_no_colour_and_colour() -> None:
    """NO_COLOR is heeded; without it the status has a colour, and a name never changes one."""
    store = Store(record("a", "[red]x[/red] [link=http://y]z[/link] :warning:"))
    plain, coloured = (run(store, "ops", terminal=True, variables={"NO_COLOR": value}).raw for value in ("1", ""))
    assert "\x1b[32m" in coloured
    assert "\x1b[3" not in plain
    for out in (plain, coloured):
        assert "[red]x[/red] [link=http://y]z[/link] :warning:" in out


def test_a_deep_tree() -> None:
    """A chain of operations that is deeper than Python's stack is drawn and printed."""
    chain = [record(f"id{number}", parent_id=f"id{number - 1}") for number in range(1500)]
    store = Store(*chain)
    assert run(store, "tree", terminal=True, variables={"COLUMNS": "10000"}).out.count("id") == 1500
    assert len(run(store, "tree").lines) == 1500


@pytest.mark.parametrize("terminal", [False, True])
def test_a_status_that_only_ended_ones_have(terminal: bool) -> None:
    """What has ended is listed with texts of others made harmless, too."""
    store = Store()
    store.ended_ones = [record("a", "\u202ename\x07", status=RecordStatus.FAILED, ended=1.0, error="\x1b[2J")]
    ran = run(store, "ops", "--status", "failed", terminal=terminal)
    assert r"\u202ename\x07" in ran.out
    assert "\x1b[2J" not in run(store, "show", "a", terminal=terminal).raw
