"""The shell completes ids from the store, and nothing where it cannot be reached."""

from __future__ import annotations

import pytest

from hother.cancelable.registry import WorkerRecord, WorkerState

from .cli_backend import Store, record, run


def complete(store: Store, line: str) -> list[str]:
    """Return what bash is offered for the last word of a line."""
    words = line.split(" ")
    variables = {"_CANCELABLE_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    ran = run(store, variables=variables)
    assert ran.err == ""
    return ran.out.split()


def some() -> Store:
    """Make a store with three operations and two workers."""
    store = Store(record("aa", "import"), record("ab"), record("b"))
    store.processes = [
        WorkerRecord(name, "host", 1, WorkerState.UP, "0.1.0", 0.0, 0.0, 0, None) for name in ("host-1", "host-2")
    ]
    return store


@pytest.mark.parametrize("command", ["show", "cancel", "tree", "ops --parent", "cancel --parent"])
def test_ids_of_operations(command: str) -> None:
    """Where an operation is named, the ids of those that run are offered that begin like it."""
    assert complete(some(), f"cancelable {command} a") == ["aa", "ab"]
    assert complete(some(), f"cancelable {command} ") == ["aa", "ab", "b"]


def test_ids_of_workers() -> None:
    """Where a worker is named."""
    assert complete(some(), "cancelable ops --worker host-2") == ["host-2"]


def test_the_store_that_the_line_names() -> None:
    """The address and the namespace on the line are used."""
    store = some()
    complete(store, "cancelable show --redis redis://there --namespace shop a")
    assert store.opened_with == ("redis://there", "shop")
    assert store.is_closed


def test_values_and_commands() -> None:
    """Commands, statuses and reasons are offered, too."""
    assert complete(some(), "cancelable w") == ["workers"]
    assert complete(some(), "cancelable ops --status ca") == ["cancelled"]
    assert complete(some(), "cancelable cancel --reason sh") == ["shutdown"]


def test_a_store_that_is_away() -> None:
    """Nothing is offered, and nothing is printed into the line that is being typed."""
    store = some()
    store.is_away = True
    assert complete(store, "cancelable show a") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_text_of_others_is_harmless(shell: str) -> None:
    """Some shells evaluate what they are offered, so nothing is offered that could be a command or a pattern."""
    odd = ["a$(id)", "a`id`", r"a\$(id)", "a;id", "a'b", 'a"b', "a\nb", "a*", "a b", "[red]a[/]"]
    store = Store(record("aa", r"[/red] \$(touch x) `y` 'z' \"q\" ; new" + "\nline"), *(record(each) for each in odd))
    line = "cancelable show a"
    variables = {
        "_CANCELABLE_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": line,
        "COMP_CWORD": "2",
        "_TYPER_COMPLETE_ARGS": line,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    ran = run(store, variables=variables)
    assert ran.err == ""
    assert "aa" in ran.out
    assert len(ran.out.splitlines()) == 1
    for harmful in ("$", "`", "\\$", ";", "id", "touch x)", "[/red]"):
        assert harmful not in ran.out
