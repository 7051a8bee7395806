"""The examples of `examples/01_basics`, run as the programs that they are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BASICS = Path(__file__).parents[1] / "examples" / "01_basics"

PRINTED = {
    "01_basic_cancelation.py": """\
import: step 1 of 3
import: step 2 of 3
import: step 3 of 3
import: completed
export: cancelled (manual: nobody needs it any more)
caught: operation 'export' was cancelled (manual): nobody needs it any more
item: cancelled (parent: the batch is withdrawn)
batch: cancelled (manual: the batch is withdrawn)
""",
    "02_timeout_cancelation.py": """\
operation 'question' was cancelled (timeout): not done within 0.05 s
no answer
piece 0 arrived, 0.1 s for the next
piece 1 arrived, 0.1 s for the next
piece 2 arrived, 0.1 s for the next
all arrived, inf s left
saved
timed out after it was saved
the helper raises as well
""",
    "03_manual_cancelation.py": """\
asked to stop by task '__main__.main'
this call was the first: True
this call was the first: False
first stopped: the user has seen enough
second stopped: a thread says so
asked by thread 'button'
either: the service goes down
counting
the thread stopped: timeout
""",
    "04_decorated_functions.py": """\
operation 'fetch' was cancelled (timeout): not done within 0.05 s
  processing a
  processing b
2 items
Report.build
tick 0
tick 1
tick 2
operation 'serve' was cancelled (manual): closing time
""",
}


@pytest.mark.parametrize("name", PRINTED)
def test_example_prints_what_it_shows(name: str) -> None:
    """The example ends by itself, complains of nothing, and prints each of the things that it shows."""
    program = [sys.executable, "-X", "dev", "-W", "error", str(BASICS / name)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=20, check=False)
    assert done.stderr == ""
    assert done.stdout == PRINTED[name]
    assert done.returncode == 0


def test_every_example_is_tested() -> None:
    """No example of the folder is left out."""
    assert {each.name for each in BASICS.glob("*.py")} == set(PRINTED)
