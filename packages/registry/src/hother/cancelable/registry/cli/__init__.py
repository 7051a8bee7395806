"""The command line `cancelable`: list and cancel the operations of all processes from a shell."""

from __future__ import annotations

import sys

EXTRAS: tuple[str, ...] = ("redis", "rich", "typer")
"""What the extra `cli` brings."""


def main() -> None:
    """Run the program `cancelable` with the arguments of the process.

    Raises:
        SystemExit: Always; the code says what happened, see `cancelable --help`.
    """
    try:
        from .app import app
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in EXTRAS:
            raise
        sys.stderr.write(
            f'cancelable needs {missing}, which is not installed: pip install "hother-cancelable-registry[cli]"\n'
        )
        raise SystemExit(2) from None
    app(prog_name="cancelable")
