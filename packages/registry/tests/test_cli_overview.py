"""The command line shows trees, workers and numbers."""

from __future__ import annotations

import json
import time

from hother.cancelable.registry import WorkerRecord, WorkerState

from .cli_backend import Store, record, run


def family() -> Store:
    """Make a store with a parent, two children, a grandchild and a stranger."""
    return Store(
        record("parent", "import"),
        record("first", parent_id="parent"),
        record("grandchild", parent_id="first"),
        record("second", parent_id="parent"),
        record("stranger", parent_id="not known"),
    )


def test_a_tree_in_a_pipe() -> None:
    """One line for each operation, in order of the tree, two spaces for each level."""
    ran = run(family(), "tree")
    assert ran.code == 0
    assert [line[0] for line in ran.lines] == ["parent", "  first", "    grandchild", "  second", "stranger"]
    assert ran.lines[0][1:3] == ["import", "running"]


def test_a_tree_in_a_terminal() -> None:
    """Branches lead to the children."""
    out = run(family(), "tree", terminal=True).out
    assert [line.partition("  running  ")[0] for line in out.splitlines()] == [
        "parent  import",
        "├── first",
        "│   └── grandchild",
        "└── second",
        "stranger",
    ]


def test_a_part_of_a_tree() -> None:
    """With an id only what is below it; with exit code 1 where it does not run."""
    assert [line[0] for line in run(family(), "tree", "first").lines] == ["first", "  grandchild"]
    ran = run(family(), "tree", "nobody")
    assert (ran.code, ran.err) == (1, "no operation with the id nobody runs\n")


def test_a_tree_as_json() -> None:
    """Each operation has its children."""
    [parent, stranger] = json.loads(run(family(), "tree", "--json").out)
    assert (parent["id"], stranger["children"]) == ("parent", [])
    assert [child["id"] for child in parent["children"]] == ["first", "second"]
    assert parent["children"][0]["children"][0]["id"] == "grandchild"


def test_workers() -> None:
    """Each process with its state, how much runs in it, and for how long it is up and silent."""
    store, now = Store(), time.time()
    store.processes = [
        WorkerRecord("w1", "host1", 11, WorkerState.UP, "0.1.0", now - 100, now - 2, 5, 0.25),
        WorkerRecord("w2", "host2", 12, WorkerState.LOST, "0.1.0", now - 200, now - 90, 0, None),
    ]
    ran = run(store, "workers")
    assert ran.code == 0
    first, second = ran.lines
    assert [*first[:3], *first[5:]] == ["w1", "up", "5", "0.250", "host1", "11", "0.1.0"]
    assert [*second[:3], *second[5:]] == ["w2", "lost", "0", "", "host2", "12", "0.1.0"]
    assert 100 <= float(first[3]) < 130
    assert 2 <= float(first[4]) < 32
    assert "STATE" in run(store, "workers", terminal=True).out
    assert [worker["state"] for worker in json.loads(run(store, "workers", "--json").out)] == ["up", "lost"]


def test_numbers() -> None:
    """Numbers of all processes, by status and reason, times in seconds."""
    ran = run(Store(), "stats")
    assert ran.code == 0
    assert dict(ran.lines)["ended: cancelled"] == "2"
    assert dict(ran.lines)["cancel latency: unwind max"] == "0.250"
    assert dict(ran.lines)["running"] == "2"
    assert json.loads(run(Store(), "stats", "--json").out)["total_started"] == 7
    assert "\nended: cancelled               2\n" in run(Store(), "stats", terminal=True).out
