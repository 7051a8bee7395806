"""The command line cancels: one operation by its id, or all that match, and its exit code says what happened."""

from __future__ import annotations

import re

import pytest

from hother.cancelable import CancelationReason
from hother.cancelable.registry import OperationRecord, RecordStatus

from .cli_backend import Store, record, request, run

CANCELLED, COMPLETED, FAILED = RecordStatus.CANCELLED, RecordStatus.COMPLETED, RecordStatus.FAILED


def test_one_is_told() -> None:
    """Without --wait it is told to stop, and nobody claims that it has ended; the record says who asked."""
    store = Store(record("a"), record("b"))
    ran = run(store, "cancel", "a", "--reason", "shutdown", "--message", "deploy")
    assert (ran.code, ran.out) == (0, "a was told to stop (shutdown: deploy)\n")
    [(identity, reason, message, origin, wait)] = store.told
    assert (identity, reason, message, wait) == ("a", CancelationReason.SHUTDOWN, "deploy", None)
    assert re.fullmatch(r".+ on .+", origin or "")


def test_the_reason_is_manual() -> None:
    """Where no reason is given."""
    store = Store(record("a"))
    assert run(store, "cancel", "a").out == "a was told to stop (manual)\n"
    assert store.told[0][1:3] == (CancelationReason.MANUAL, None)


@pytest.mark.parametrize(
    ("end", "code", "said"),
    [
        (CANCELLED, 0, "a was cancelled (manual: enough)\n"),
        (COMPLETED, 3, "a was not cancelled: it has completed (manual: enough)\n"),
        (FAILED, 3, "a was not cancelled: it has failed (manual: enough)\n"),
        (None, 4, "a was told to stop (manual: enough), and still runs after 120 s\n"),
    ],
)
def test_waiting_for_the_end(end: RecordStatus | None, code: int, said: str) -> None:
    """With --wait the exit code says how it ended, or that it has not."""
    store = Store(record("a"))
    store.ends = {} if end is None else {"a": end}
    ran = run(store, "cancel", "a", "--message", "enough", "--wait", "2m")
    assert (ran.code, ran.out + ran.err) == (code, said)
    assert ran.err == ("" if code == 0 else said)
    assert store.told[0][4] == 120


@pytest.mark.parametrize(("status", "code"), [(CANCELLED, 0), (COMPLETED, 3), (FAILED, 3)])
def test_what_has_ended_before(status: RecordStatus, code: int) -> None:
    """A repeated command succeeds if the operation was cancelled; 3 tells that it had ended otherwise."""
    store = Store()
    store.ended_ones = [record("a", status=status)]
    assert run(store, "cancel", "a").code == code


def test_what_was_told_before() -> None:
    """The first request stands, and its reason is told."""
    store = Store(record("a", cancel=request(CancelationReason.TIMEOUT, "too long")))
    ran = run(store, "cancel", "a", "--message", "mine")
    assert (ran.code, ran.out) == (0, "a was told to stop before (timeout: too long)\n")


def test_one_whose_process_is_lost() -> None:
    """It is said that the request waits for the process to return."""
    store = Store(record("a", status=RecordStatus.LOST))
    ran = run(store, "cancel", "a")
    assert (ran.code, ran.out) == (
        0,
        "a was told to stop (manual); its process is lost, it is told if that returns\n",
    )


def test_an_unknown_id() -> None:
    """Exit code 1, on standard error."""
    ran = run(Store(), "cancel", "a")
    assert (ran.code, ran.out, ran.err) == (1, "", "no operation with the id a is known\n")


def imports() -> Store:
    """Make a store with twelve imports and a report."""
    return Store(*(record(f"i{number}", "import") for number in range(12)), record("r", "report"))


def test_all_that_match() -> None:
    """With --yes they are told without a question, and others are not."""
    store = imports()
    ran = run(store, "cancel", "--name", "imp*", "--yes", "--reason", "shutdown")
    assert (ran.code, ran.out, ran.err) == (0, "12 operations: 12 told to stop\n", "")
    assert [each[0] for each in store.told] == [f"i{number}" for number in range(12)]
    assert {each[1] for each in store.told} == {CancelationReason.SHUTDOWN}


def test_the_question() -> None:
    """Without --yes they are counted and some of them named; they are told after a yes."""
    store = imports()
    ran = run(store, "cancel", "--name", "imp*", answer="y\n")
    assert (ran.code, ran.out) == (0, "12 operations: 12 told to stop\n")
    assert "12 operations:\n  i0  import\n" in ran.err
    assert "  i9  import\n  and 2 more\n" in ran.err
    assert "i10" not in ran.err
    assert "Cancel 12 operations?" in ran.err


@pytest.mark.parametrize("answer", ["n\n", "\n", ""], ids=["no", "enter", "nobody there"])
def test_a_question_that_is_declined(answer: str) -> None:
    """Anything but yes cancels nothing, also where nobody can answer, and is told by exit code 6."""
    store = imports()
    ran = run(store, "cancel", "--name", "imp*", answer=answer)
    assert (ran.code, ran.out, store.told) == (6, "", [])
    assert ran.err.endswith("nothing was cancelled; --yes cancels without asking\n")


def test_those_that_were_counted_are_told() -> None:
    """One that starts after it was asked is not cancelled."""

    class Filling(Store):
        def get(self, operation_id: str) -> OperationRecord | None:
            self.running["late"] = record("late", "import")
            return super().get(operation_id)

    store = Filling(record("a", "import"))
    ran = run(store, "cancel", "--name", "import", answer="yes\n")
    assert (ran.out, [each[0] for each in store.told]) == ("1 operation: 1 told to stop\n", ["a"])


def test_other_filters() -> None:
    """Parent, worker and age select, too."""
    for options in (["--parent", "p"], ["--worker", "w2"], ["--min-age", "1h"]):
        store = Store(record("a"), record("b", parent_id="p", worker="w2", age=7200))
        assert run(store, "cancel", "--yes", *options).code == 0
        assert [each[0] for each in store.told] == ["b"]


def test_none_that_match() -> None:
    """Exit code 1, without a question."""
    ran = run(imports(), "cancel", "--name", "xyz")
    assert (ran.code, ran.err) == (1, "no operation that runs matches\n")


def test_waiting_for_all() -> None:
    """With --wait it is counted how they ended; one that still runs is exit code 4. All are told before any wait."""
    store = Store(*(record(identity, "x") for identity in "abcd"))
    store.ends = {"a": CANCELLED, "b": CANCELLED, "c": COMPLETED}
    ran = run(store, "cancel", "--name", "x", "--yes", "--wait", "5")
    assert (ran.code, ran.out) == (4, "4 operations: 2 cancelled, 1 completed, 1 told before\n")
    assert [each[4] for each in store.told[:4]] == [None] * 4
    assert all(0 < (each[4] or 0) <= 5 for each in store.told[4:])
    store = Store(record("a", "x"))
    store.ends = {"a": CANCELLED}
    assert run(store, "cancel", "--name", "x", "--yes", "--wait", "5").code == 0


@pytest.mark.parametrize("arguments", [[], ["a", "--name", "x"], ["a", "--worker", "w1"]], ids=" ".join)
def test_either_an_id_or_filters(arguments: list[str]) -> None:
    """Neither or both is wrong usage: nothing is cancelled by mistake."""
    store = Store(record("a", "x"))
    ran = run(store, "cancel", "--yes", *arguments)
    assert (ran.code, store.told) == (2, [])
    assert "give either an ID or, for all that match, --name, --parent, --worker or --min-age" in ran.err
