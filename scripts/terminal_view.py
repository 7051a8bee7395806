"""Make the picture of the terminal view for the docs: uv run python scripts/terminal_view.py [file].

It runs the jobs of examples/05_monitoring/01_monitoring_dashboard.py for some seconds and draws its view as SVG.
"""

from __future__ import annotations

import io
import random
import re
import runpy
import sys
from pathlib import Path
from typing import Any, Final

import anyio
from rich.console import Console

from hother.cancelable import OperationRegistry

ROOT: Final = Path(__file__).parents[1]
EXAMPLE: Final = ROOT / "examples" / "05_monitoring" / "01_monitoring_dashboard.py"
SECONDS: Final = 9
FONTS: Final = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"


async def draw(console: Console) -> None:
    """Run the example's jobs, and draw them after a while."""
    example: dict[str, Any] = runpy.run_path(str(EXAMPLE))
    async with anyio.create_task_group() as group:
        group.start_soon(example["start_jobs"])
        await anyio.sleep(SECONDS)
        console.print(await example["picture"](OperationRegistry.get_instance()))
        group.cancel_scope.cancel()


def with_fonts_of_the_reader(picture: str) -> str:
    """Take out the fonts that rich would have browsers load from another host."""
    return re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL).replace("Fira Code, monospace", FONTS)


def main() -> None:
    """Make the picture in the file that was given."""
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "assets" / "terminal-view.svg"
    random.seed(11)
    console = Console(record=True, width=100, file=io.StringIO(), force_terminal=True)
    anyio.run(draw, console)
    file.write_text(with_fonts_of_the_reader(console.export_svg(title="cancelable", unique_id="terminal-view")))
    sys.stdout.write(f"the terminal view is in {file}\n")


if __name__ == "__main__":
    main()
