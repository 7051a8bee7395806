"""The program `cancelable`: its commands and their help."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated

import typer

from . import exits, listing, overview, stopping

app: typer.Typer = typer.Typer(
    name="cancelable",
    help="See the operations that run in all processes, and cancel them.\n\n" + exits.HELP,
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # they print local variables: a URL has a password
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(version("hother-cancelable-registry"))
        raise typer.Exit


@app.callback()
def _options(
    show_version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version of this package."),
    ] = False,
) -> None:
    """Take the options that stand before a command."""


COMMANDS: dict[str, Callable[..., None]] = {
    "ops": listing.ops,
    "show": listing.show_one,
    "tree": listing.tree,
    "cancel": stopping.cancel,
    "workers": overview.workers,
    "stats": overview.stats,
}
for _name, _command in COMMANDS.items():
    app.command(_name, epilog=exits.HELP)(_command)
