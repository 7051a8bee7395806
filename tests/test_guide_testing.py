"""The guide on testing shows the report as the kit prints it."""

import re
import subprocess
import sys
from pathlib import Path

GUIDE = Path(__file__).parents[1] / "docs/guides/testing.md"


def test_the_report_in_the_guide_is_what_the_kit_prints(tmp_path: Path) -> None:
    """The first block, in a file `pool.py`, gives the report below it, with its line."""
    text = GUIDE.read_text()
    block, report = (re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)[0] for kind in ("python", "text"))
    (tmp_path / "pool.py").write_text(f"{block}".replace("print(report.splitlines()[0])", "print(report)"))
    command = [sys.executable, "pool.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.startswith(report)
