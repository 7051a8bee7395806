"""Measure what operations cost beside anyio's own calls; exits 1 where a limit is not kept.

uv run python tests/benchmarks [--loop asyncio|uvloop|trio]
"""

from __future__ import annotations

import argparse
import sys

import anyio
import asgi
import crowds
import paths
import registry
import shared_store
import sources
import streams
from measuring import Result, measure


async def run() -> list[Result]:
    """Measure every row, showing each as it comes."""
    results: list[Result] = []
    print("| path | ours | raw | raw way | result | at most | |\n|---|---|---|---|---|---|---|")
    for row in (*paths.ROWS, *crowds.ROWS, *asgi.ROWS, *sources.ROWS, *streams.ROWS, *registry.ROWS):
        results.append(await measure(row))
        print(line(results[-1]), flush=True)
    await shared_store.table()
    return results


def line(result: Result) -> str:
    """Return a row of the table."""
    row = result.row
    value = f"{result.value:+.1f} {row.unit}" if row.difference else f"{result.value:.2f}"
    limit = f"+{row.limit:g} {row.unit}" if row.difference else f"{row.limit:g}"
    verdict = "ok" if result.within else "ABOVE"
    cells = (row.path, f"{result.ours:.2f} {row.unit}", f"{result.raw:.2f} {row.unit}", row.raw_way, value, limit)
    return f"| {' | '.join(cells)} | {verdict} |"


def main() -> int:
    """Run the benchmark and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--loop", choices=("asyncio", "uvloop", "trio"), default="asyncio")
    loop = parser.parse_args().loop
    backend, options = ("trio", {}) if loop == "trio" else ("asyncio", {"use_uvloop": loop == "uvloop"})
    print(f"Python {sys.version.partition(' ')[0]}, {loop}\n")
    results = anyio.run(run, backend=backend, backend_options=options)
    return 0 if all(result.within for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
