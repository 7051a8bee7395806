"""How a command ends: the exit codes, and the error line that goes with them."""

from __future__ import annotations

from enum import IntEnum
from typing import NoReturn

import typer

from . import CLOSED_PIPE


class ExitCode(IntEnum):
    """What the caller of the program learns."""

    DONE = 0
    NOT_FOUND = 1
    USAGE = 2
    ENDED_OTHERWISE = 3
    STILL_RUNNING = 4
    UNAVAILABLE = 5
    DECLINED = 6
    CLOSED_PIPE = CLOSED_PIPE


MEANINGS: dict[ExitCode, str] = {
    ExitCode.DONE: "done: listed, told to stop, or ended by cancellation",
    ExitCode.NOT_FOUND: "no such operation, or none that matches",
    ExitCode.USAGE: "wrong usage, or something is not installed",
    ExitCode.ENDED_OTHERWISE: "it was not cancelled: it had completed or failed",
    ExitCode.STILL_RUNNING: "told to stop, and still running after --wait",
    ExitCode.UNAVAILABLE: "the shared store cannot be reached",
    ExitCode.DECLINED: "not confirmed: nothing was cancelled",
    ExitCode.CLOSED_PIPE: "whoever read the output has stopped",
}

HELP: str = "\b\nExit codes:\n" + "\n".join(f"{code.value:>5}  {meaning}" for code, meaning in MEANINGS.items())
"""The table for `--help`, kept from being wrapped."""


def stop(code: ExitCode, message: str) -> NoReturn:
    """End the program with a line on standard error."""
    typer.echo(message, err=True)
    raise typer.Exit(code)
