"""What was measured, as tables: rows of text that the terminal and the docs page show alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from growth import STEEPEST

if TYPE_CHECKING:
    from growth import Growth
    from measuring import Result

FORMER = "0.11.3"
NOTHING = "\N{EN DASH}"


@dataclass(frozen=True)
class Table:
    """A title, the heads of the columns, and lines of cells."""

    title: str
    heads: Sequence[str]
    lines: Sequence[Sequence[str]]
    note: str = ""

    def markdown(self) -> str:
        """Return it for a page."""
        rule = ["---"] + ["--:"] * (len(self.heads) - 1)
        lines = [f"| {' | '.join(cells)} |" for cells in (self.heads, *self.lines)]
        body = "\n".join([lines[0], f"|{'|'.join(rule)}|", *lines[1:]])
        return f"### {self.title}\n\n{body}\n" + (f"\n{self.note}\n" if self.note else "")


def by_path(results: Sequence[Result]) -> list[dict[str, Result]]:
    """Return the results of each path by loop, in the order of the rows."""
    found: dict[str, dict[str, Result]] = {}
    for result in results:
        found.setdefault(result.row.path, {})[result.loop] = result
    return list(found.values())


def budget(title: str, results: Sequence[Result], loops: Sequence[str]) -> Table:
    """Return the rows with their limits, the loops side by side."""
    lines: list[list[str]] = []
    for found in by_path(results):
        first = next(iter(found.values()))
        row = first.row
        limit = NOTHING if row.limit is None else amount(row.limit, row.difference, row.unit)
        values = [shown(found[loop]) if loop in found else NOTHING for loop in loops]
        former = first.against(FORMER, f"raw beside {FORMER}")
        before = NOTHING if former is None else amount(former, row.difference, row.unit)
        lines.append([row.path, row.raw_way, f"{first.median('raw') or 0:.3g} {row.unit}", limit, *values, before])
    heads = ["path", "raw way", f"raw, {loops[0]}", "at most", *loops, FORMER]
    return Table(title, heads, lines, noise(results))


def shown(result: Result) -> str:
    """Return the number that has a limit; with a mark where it is above, or where the machine was too noisy to tell."""
    text = amount(result.value, result.row.difference, result.row.unit)
    if result.is_noisy:
        return f"~ {text}"
    return text if result.within or result.loop != "asyncio" else f"**{text}**"


def amount(value: float, difference: bool, unit: str) -> str:
    """Return a ratio, or a difference with its unit."""
    return f"{value:+.3g} {unit}" if difference else f"{value:.2f}"


def noise(results: Sequence[Result]) -> str:
    """Return a note on the rows that the machine was too busy for."""
    noisy = [result for result in results if result.is_noisy]
    if not noisy:
        return "The machine was calm: no row's raw way varied by more than a quarter between its rounds."
    worst = max(result.spread for result in noisy)
    return (
        f"~ marks {len(noisy)} of {len(results)} measurements that say little: the machine was too busy, the raw way "
        f"itself varied between rounds by up to {worst:.0%} of its median (middle half)."
    )


def alternatives(results: Sequence[Result]) -> Table:
    """Return what else somebody could pick, in microseconds."""
    with_others = [result for result in results if result.row.others and result.loop == "asyncio"]
    names = list(dict.fromkeys(name for result in with_others for name in result.row.others))
    lines: list[list[str]] = []
    for result in with_others:
        medians = [result.median(name) for name in ("ours", "raw", *names, FORMER)]
        lines.append([result.row.path, *(NOTHING if each is None else f"{each:.2f} µs" for each in medians)])
    return Table("Time of one call, on asyncio", ["path", "ours", "anyio", *names, FORMER], lines)


def curves(growths: Sequence[Growth], verdict: Callable[[Growth], str]) -> Table:
    """Return the exponent of each curve."""
    lines = [
        [growth.subject, growth.curve.name, f"{max(growth.points):,}", f"{growth.exponent:.2f}", verdict(growth)]
        for growth in growths
    ]
    return Table("The exponents", ["subject", "curve", "up to", "exponent", ""], lines)


def straight(growth: Growth) -> str:
    """Return what is said of a curve."""
    if not growth.curve.ours:
        return "the raw way"
    kind = "constant" if growth.curve.level else "linear"
    if not growth.is_fine:
        return f"**steeper than {kind}**"
    return kind if growth.curve.level or growth.exponent <= STEEPEST else "as steep as the raw way"
