"""Measure what operations cost beside anyio's own calls and what else one could pick; exits 1 where a limit is broken.

uv run --group bench python tests/benchmarks [--quick] [--docs] [--only rows growth served redis] [--row TEXT]
"""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anyio
import asgi
import crowds
import growth
import paths
import peers
import predecessor
import registry
import report
import served
import shared_store
import sources
import streams
import subjects
from measuring import LOOPS, Row, measure_in_calm
from report import Findings

PARTS = ("rows", "growth", "served", "redis")
BUDGET: Sequence[Row] = [*paths.ROWS, *crowds.ROWS, *streams.ROWS[:2], *asgi.ROWS]
FURTHER: Sequence[Row] = [*sources.ROWS, *streams.ROWS[2:], *registry.ROWS]


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds and smaller sizes: a minute, and less sure")
    parser.add_argument("--only", nargs="+", choices=PARTS, help="measure these parts (all)")
    parser.add_argument("--row", default="", help="measure nothing but the rows whose path has this text")
    parser.add_argument("--loop", nargs="+", choices=LOOPS, default=LOOPS, help="measure rows on these event loops")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables")
    parser.add_argument("--docs", action="store_true", help="renew the tables and plots of docs/performance.md")
    chosen = parser.parse_args()
    chosen.only = chosen.only or (["rows"] if chosen.row else PARTS)
    return chosen


def run_rows(chosen: argparse.Namespace, findings: Findings) -> None:
    """Measure the rows on each loop, showing how far it is."""
    with ExitStack() as stack:
        try:
            former = stack.enter_context(predecessor.running())
        except (OSError, subprocess.CalledProcessError) as error:
            former = None
            detail = getattr(error, "stderr", "") or str(error)
            findings.remark(f"{predecessor.VERSION} was not measured: {detail.strip().splitlines()[-1]}")
        for loop in chosen.loop:
            rows = [
                peers.with_peers(row) for row in (*BUDGET, *FURTHER) if loop in row.loops and chosen.row in row.path
            ]
            anyio.run(
                _measure_all, rows, loop, chosen.quick, former if loop == "asyncio" else None, findings, **_on(loop)
            )


async def _measure_all(
    rows: Sequence[Row], loop: str, quick: bool, former: predecessor.Former | None, findings: Findings
) -> None:
    for row in rows:
        findings.progress(f"{loop}: {row.path}")
        findings.results.append(await measure_in_calm(row, loop, quick, former))


def _on(loop: str) -> dict[str, Any]:
    """Return the arguments that make `anyio.run` take an event loop."""
    return {"backend": "trio"} if loop == "trio" else {"backend_options": {"use_uvloop": loop == "uvloop"}}


async def run_growth(quick: bool, findings: Findings) -> None:
    for subject in subjects.SUBJECTS:
        findings.progress(f"how cost grows: {subject.title}")
        findings.growths.extend(await growth.grow(subject, quick))


def main() -> int:
    """Run the benchmark and return the exit code."""
    chosen = options()
    findings = Findings([row.path for row in BUDGET])
    findings.machine = f"CPython {platform.python_version()}, {platform.system()} {platform.machine()}"
    if "rows" in chosen.only:
        run_rows(chosen, findings)
    if "growth" in chosen.only:
        anyio.run(run_growth, chosen.quick, findings)
    if "served" in chosen.only:
        findings.progress("served by uvicorn")
        served.run(chosen.quick, findings)
    if "redis" in chosen.only:
        findings.progress("through Redis")
        shared_store.run(findings)
    report.show(findings)
    if chosen.json:
        chosen.json.write_text(report.as_json(findings))
    if chosen.markdown:
        chosen.markdown.write_text(report.as_markdown(findings))
    if chosen.docs:
        report.renew_docs(findings)
    return 0 if findings.is_fine else 1


if __name__ == "__main__":
    sys.exit(main())
