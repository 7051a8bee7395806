"""Everything that was measured in one run, and where it goes: the terminal, JSON, Markdown, the docs page."""

from __future__ import annotations

import datetime
import json
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import plots
import subjects
from growth import Growth
from measuring import Result
from rich.console import Console
from rich.table import Table as RichTable
from tables import Table, alternatives, budget, curves, straight

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "performance.md"
MARKS = "<!-- {}: made by tests/benchmarks -->", "<!-- end of {} -->"


@dataclass
class Findings:
    """What one run has found."""

    promised: Sequence[str]
    """The paths that design and docs promise a limit for."""
    machine: str = ""
    results: list[Result] = field(default_factory=list[Result])
    growths: list[Growth] = field(default_factory=list[Growth])
    tables: list[Table] = field(default_factory=list[Table])
    """Of the parts that are measured once: served, through Redis."""
    remarks: list[str] = field(default_factory=list[str])
    _errors: Console = field(default_factory=lambda: Console(stderr=True))
    _started: float = field(default_factory=time.perf_counter)

    @property
    def is_fine(self) -> bool:
        """Whether no limit is broken, as far as the machine was calm enough to tell."""
        broken = [each for each in self.results if each.loop == "asyncio" and not each.within and not each.is_noisy]
        return not broken and all(each.is_fine for each in self.growths)

    def progress(self, what: str) -> None:
        """Say what is measured now."""
        self._errors.print(f"{time.perf_counter() - self._started:4.0f} s: {what}", style="dim", highlight=False)

    def remark(self, what: str) -> None:
        """Note what could not be measured, and why."""
        self.remarks.append(what)


def sections(findings: Findings) -> dict[str, list[Table]]:
    """Return the tables by the part of the page that they belong to."""
    results = findings.results
    loops = list(dict.fromkeys(each.loop for each in results))
    promised = [each for each in results if each.row.path in findings.promised]
    further = [each for each in results if each.row.path not in findings.promised]
    return {
        "budget": [budget("The budget", promised, loops)] if promised else [],
        "alternatives": [alternatives(promised)] if any(each.row.others for each in promised) else [],
        "further": [budget("The limits of the parts", further, loops)] if further else [],
        "growth": [curves(findings.growths, straight)] if findings.growths else [],
        "served": findings.tables,
    }


def show(findings: Findings) -> None:
    """Print the tables."""
    console = Console() if sys.stdout.isatty() else Console(width=150)
    console.print(f"{findings.machine}", highlight=False)
    for table in (each for listed in sections(findings).values() for each in listed):
        rich = RichTable(title=table.title, caption=table.note or None, title_justify="left", caption_justify="left")
        for number, head in enumerate(table.heads):
            rich.add_column(_plain(head), justify="right" if number else "left")
        for line in table.lines:
            above = any(cell.startswith("**") for cell in line)
            rich.add_row(*(_plain(cell) for cell in line), style="red" if above else None)
        console.print(rich)
    for remark in findings.remarks:
        console.print(remark, highlight=False)


def _plain(cell: str) -> str:
    return cell.replace("**", "").replace("`", "")


def as_markdown(findings: Findings) -> str:
    """Return all tables."""
    return "\n".join(_body(findings, listed) for listed in sections(findings).values() if listed)


def _body(findings: Findings, listed: Sequence[Table]) -> str:
    return "\n".join(table.markdown() for table in listed)


def as_json(findings: Findings) -> str:
    """Return every number, the rounds included."""
    rows: list[dict[str, Any]] = [
        {
            "path": each.row.path, "loop": each.loop, "raw_way": each.row.raw_way, "unit": each.row.unit,
            "limit": each.row.limit, "difference": each.row.difference, "value": each.value, "noisy": each.is_noisy,
            "medians": {name: each.median(name) for name in each.samples}, "rounds": dict(each.samples),
        }
        for each in findings.results
    ]  # fmt: skip
    growths = [
        {"subject": each.subject, "curve": each.curve.name, "exponent": each.exponent, "seconds": each.points}
        for each in findings.growths
    ]
    tables = [{"title": each.title, "heads": each.heads, "lines": each.lines} for each in findings.tables]
    whole = {"machine": findings.machine, "rows": rows, "growth": growths, "tables": tables, "notes": findings.remarks}
    return json.dumps(whole, indent=1, ensure_ascii=False)


def renew_docs(findings: Findings) -> None:
    """Put the tables between their marks on the docs page, and the plots beside it."""
    text = PAGE.read_text(encoding="utf-8")
    for name, listed in sections(findings).items():
        if listed:
            text = replaced(text, name, _body(findings, listed))
    today = datetime.datetime.now(tz=datetime.UTC).date()
    text = replaced(text, "machine", "\n".join([f"{today}: {findings.machine}.", *findings.remarks]) + "\n")
    PAGE.write_text(text, encoding="utf-8")
    for subject in subjects.SUBJECTS:
        growths = [each for each in findings.growths if each.subject == subject.name]
        if growths:
            plots.draw(subject, growths, DOCS / "assets")


def replaced(text: str, name: str, body: str) -> str:
    """Return a page with a new text between the marks of a name.

    Raises:
        ValueError: If the page has no such marks.
    """
    start, end = (mark.format(name) for mark in MARKS)
    pattern = re.compile(f"{re.escape(start)}\n.*?{re.escape(end)}", re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"docs/performance.md needs the lines {start!r} and {end!r}")
    return pattern.sub(lambda _: f"{start}\n\n{body}\n{end}", text)
