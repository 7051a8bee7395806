"""The command line `cancelable`: list and cancel the operations of all processes from a shell."""

from __future__ import annotations

import io
import sys
from typing import Final

CLOSED_PIPE: Final = 141
"""The exit code where nobody reads the output any more: what a shell reports of other programs then."""
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
    _take_any_text()
    try:
        app(prog_name="cancelable")
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):
            raise SystemExit(CLOSED_PIPE) from None
        raise


def _take_any_text() -> None:
    """Have text that the encoding of the terminal does not know escaped: names are whatever others have chosen."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # and not closed
            stream.reconfigure(errors="backslashreplace")
