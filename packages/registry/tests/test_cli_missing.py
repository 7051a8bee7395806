"""The program without what it needs says what to install."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys

sys.modules[{name!r}] = None
from hother.cancelable.registry.cli import main

main()
"""


@pytest.mark.parametrize("name", ["typer", "rich", "redis"])
def test_what_to_install(name: str) -> None:
    """Without one of the packages of the extra the exit code is 2, and one line names the extra."""
    command = [sys.executable, "-c", PROGRAM.format(name=name)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.endswith('which is not installed: pip install "hother-cancelable-registry[cli]"\n')
    assert ran.stderr.count("\n") == 1


def test_another_error_is_not_hidden() -> None:
    """Something else that is missing is told as it is."""
    command = [sys.executable, "-c", PROGRAM.format(name="hother.cancelable.registry.cli.app")]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert "ModuleNotFoundError" in ran.stderr
