"""Tables and trees for a terminal, plain lines for a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TypeVar

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from hother.cancelable.registry.records import OperationRecord
from hother.cancelable.registry.tree import TreeNode

from .cells import OPERATION, Kind, clean, line, span, standing

T = TypeVar("T")

STYLES: dict[str, str] = {
    "running": "green",
    "up": "green",
    "cancelling": "yellow",
    "suspect": "yellow",
    "stuck": "bold red",
    "failed": "red",
    "lost": "red",
    "completed": "dim",
    "cancelled": "dim",
}


def on_terminal() -> bool:
    """Tell whether a person reads."""
    return sys.stdout is not None and sys.stdout.isatty()  # pyright: ignore[reportUnnecessaryComparison]


def table(kind: Kind[T], records: Iterable[T], caption: str | None = None) -> Table:
    """Return a table; columns that are empty in every row are left out, but not the first four."""
    rows = [kind.cells(record, True) for record in records]
    shown = [place for place in range(len(kind.columns)) if place < 4 or any(row[place] for row in rows)]
    whole = Table(box=None, pad_edge=False, caption=caption, caption_justify="left", header_style="bold")
    for place in shown:
        column = kind.columns[place]
        whole.add_column(column, no_wrap=column not in kind.elastic, min_width=4)
    for row in rows:
        whole.add_row(*(_cell(row[place]) for place in shown))
    return whole


def _cell(text: str) -> Text:
    return Text(text, STYLES.get(text, ""), no_wrap=True, overflow="ellipsis")


def show(kind: Kind[T], records: Sequence[T], caption: str | None = None) -> None:
    """Print a table to a person, and one line for each record into a pipe."""
    if on_terminal():
        Console(highlight=False).print(table(kind, records, caption) if records else "nothing found")
        return
    for record in records:
        typer.echo(line(kind, record))


def show_pairs(pairs: Iterable[tuple[str, str]]) -> None:
    """Print names and values: aligned to a person, with a tab between them into a pipe."""
    known = [(name, value) for name, value in pairs if value]
    width = max((len(name) for name, _ in known), default=0) if on_terminal() else 0
    for name, value in known:
        typer.echo(f"{name:<{width}}  {value}" if width else f"{name}\t{value}")


def show_tree(nodes: Sequence[TreeNode]) -> None:
    """Print trees: with branches to a person, indented by two spaces for each level into a pipe."""
    if not on_terminal():
        for depth, record in _flat(nodes):
            typer.echo("  " * depth + line(OPERATION, record))
        return
    console = Console(highlight=False)
    for node in nodes:
        console.print(_drawn(node))


def _flat(nodes: Sequence[TreeNode]) -> Iterable[tuple[int, OperationRecord]]:
    waiting = [(0, node) for node in reversed(nodes)]
    while waiting:
        depth, node = waiting.pop()
        yield depth, node.record
        waiting += [(depth + 1, child) for child in reversed(node.children)]


def _drawn(top: TreeNode) -> Tree:
    """Return a tree, however deep it is."""
    drawn = _label(top.record)
    waiting = [(drawn, top)]
    while waiting:
        tree, node = waiting.pop()
        branches = [_label(child.record) for child in node.children]
        tree.children.extend(branches)
        waiting += zip(branches, node.children, strict=True)
    return drawn


def _label(record: OperationRecord) -> Tree:
    name, state = Text(clean(record.name), "bold"), standing(record)
    parts = [Text(clean(record.id)), name, Text(state, STYLES.get(state, "")), Text(span(record.age, True))]
    return Tree(Text("  ").join(part for part in parts if part), guide_style="dim")
