"""The program as a whole: help, exit codes, the address of the store, and what it never prints."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version

import pytest

from hother.cancelable.registry import BackendUnavailable

from .cli_backend import Store, record, run

COMMANDS = [
    ["ops"],
    ["show", "a"],
    ["tree"],
    ["cancel", "a"],
    ["cancel", "--name", "a", "--yes"],
    ["workers"],
    ["stats"],
]

each_command = pytest.mark.parametrize("command", COMMANDS, ids=" ".join)


@each_command
def test_a_store_that_is_away(command: list[str]) -> None:
    """Exit code 5 and one line on standard error, without a password; never an empty list as if nothing ran."""
    store = Store(record("a"))
    store.is_away = True
    ran = run(store, *command, "--redis", "redis://me:geheim@cache:6379/0")
    assert (ran.code, ran.out, ran.err) == (5, "", "no answer from ***\n")
    assert store.is_closed


@each_command
def test_the_store_is_closed(command: list[str]) -> None:
    """Each command leaves the store, which it has never joined."""
    store = Store(record("a", "a"))
    assert run(store, *command).code == 0
    assert store.is_closed


def test_where_the_store_is() -> None:
    """The option wins over the variable, the variable over the local server."""
    store = Store()
    run(store, "ops")
    assert store.opened_with == ("redis://localhost:6379/0", "default")
    here = {"CANCELABLE_REDIS_URL": "redis://there"}
    run(store, "ops", variables=here)
    assert store.opened_with == ("redis://there", "default")
    run(store, "ops", "--redis", "redis://elsewhere", "--namespace", "shop", variables=here)
    assert store.opened_with == ("redis://elsewhere", "shop")


@pytest.mark.parametrize("error", [ValueError, TypeError, BackendUnavailable])
def test_an_address_that_is_refused(error: type[Exception]) -> None:
    """A wrong address is wrong usage, told with the names of the options and without what is secret in it."""

    def connect(url: str, namespace: str) -> Store:
        raise error(f"cannot use {url}: geheim, me:geheim")

    url = "redis://me:geheim@cache:6379/0?password=geheim"
    ran = run(Store(), "ops", "--redis", url, connect=connect)
    assert ran.code == (5 if error is BackendUnavailable else 2)
    assert "geheim" not in ran.err + ran.out
    assert ran.err.endswith("cannot use ***: ***, ***\n")
    assert ran.err.startswith("--redis or --namespace: ") is (error is not BackendUnavailable)


def test_an_address_that_cannot_be_read() -> None:
    """The connection to Redis refuses it without showing it."""
    from hother.cancelable.registry.cli.opening import connect_redis

    ran = run(Store(), "ops", "--redis", "http://me:geheim@[cache", connect=connect_redis)
    assert ran.code == 2
    assert "geheim" not in ran.err
    ran = run(Store(), "ops", "--namespace", "a {b}", connect=connect_redis)
    assert (ran.code, "namespace" in ran.err) == (2, True)


def test_the_help_tells_the_exit_codes() -> None:
    """The table stands in the help of the program and of each command, one code in a line, in a pipe without boxes."""
    for arguments in (["--help"], ["-h"], ["ops", "--help"], ["cancel", "-h"]):
        ran = run(Store(), *arguments)
        assert ran.code == 0
        assert [f"    {code}  " in ran.out for code in range(7)] == [True] * 7
        assert "  4  told to stop, and still running after --wait\n" in ran.out
        assert "│" not in ran.out


def test_the_help_does_not_show_the_variable() -> None:
    """The help names the variable, and not what is in it."""
    ran = run(Store(), "ops", "--help", variables={"CANCELABLE_REDIS_URL": "redis://me:geheim@cache"})
    assert "CANCELABLE_REDIS_URL" in ran.out
    assert "geheim" not in ran.out


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["ops", "--frobnicate"],
        ["ops", "--status", "sleeping"],
        ["ops", "--min-age", "soon"],
        ["ops", "--min-age", "0"],
        ["ops", "--min-age", "nan"],
        ["ops", "--min-age", "-5"],
        ["ops", "--limit", "0"],
        ["show"],
        ["cancel", "a", "--reason", "because"],
        ["cancel", "a", "--wait", "0s"],
    ],
    ids=" ".join,
)
def test_wrong_usage(arguments: list[str]) -> None:
    """Exit code 2, and a line that says what is wrong; nothing is asked of the store."""
    store = Store(record("a"))
    ran = run(store, *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert "Error: " in ran.err
    assert store.opened_with is None


def test_the_version() -> None:
    """`--version` prints the version of the package."""
    assert run(Store(), "--version").out == f"{version('hother-cancelable-registry')}\n"


def test_ctrl_c() -> None:
    """Elsewhere than in --watch Ctrl-C ends the program as a signal does, without a traceback; the store is closed."""

    class Slow(Store):
        def workers(self) -> list[object]:  # type: ignore[override]
            raise KeyboardInterrupt

    store = Slow()
    ran = run(store, "workers")
    assert (ran.code, ran.err) == (130, "")
    assert store.is_closed


BROKEN = """
from hother.cancelable.registry.cli import main, opening


def connect(url, namespace):
    raise RuntimeError("a mistake of ours")


opening.connect_redis = connect
main()
"""


def test_a_mistake_of_ours() -> None:
    """A traceback is plain, and shows no local variable: the address has a password."""
    environment = {**os.environ, "CANCELABLE_REDIS_URL": "redis://me:geheim@cache:6379/0"}
    ran = subprocess.run(
        [sys.executable, "-c", BROKEN, "ops"], capture_output=True, text=True, env=environment, check=False
    )
    assert ran.returncode == 1
    assert ran.stderr.startswith("Traceback ")
    assert ran.stderr.endswith("RuntimeError: a mistake of ours\n")
    assert "geheim" not in ran.stderr
