"""The operations page where the registry is not installed."""

from __future__ import annotations

import subprocess
import sys

WITHOUT = "import sys; sys.modules['hother.cancelable.registry'] = None; import hother.cancelable.integrations.fastapi"


def imported(program: str) -> str:
    """Run a program, and return the last line of its errors."""
    ran = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    return "".join(ran.stderr.splitlines()[-1:])


def test_the_registry_is_missing() -> None:
    """Without the registry the import fails, and says what to install."""
    assert imported(f"{WITHOUT}.operations") == (
        "ImportError: the operations router and page need the package hother-cancelable-registry; install it: "
        "pip install hother-cancelable-registry"
    )


def test_the_rest_needs_no_registry() -> None:
    """The package itself is imported without the registry."""
    assert imported(WITHOUT) == ""
