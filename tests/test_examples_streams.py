"""The examples of `examples/04_streams`, run as the programs that they are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

STREAMS = Path(__file__).parents[1] / "examples" / "04_streams"

PRINTED = {
    "01_stream_processing.py": """\
reading: ['one,', 'two,', 'six,'], <PartialResult 3 items, completed>
got a
got b
got c
operation 'model' was cancelled (timeout): no item within 0.1 s
waited for 0.2 s in all: some items came: True, the latest are ['x', 'x']
finished with a
finished with b
finished with c
c is enough: <PartialResult 3 items, not completed>
left after ['a', 'b'], completed: False
  3 items
  3: c
  6 items
  6: f
letters: abcdefg
write ['a', 'b', 'c']
write ['d', 'e']
write ['f', 'g', 'h']
write ['a', 'b']
cancelled; still to write: ['c']
got a
got b
paused
resumed
got c
got d
nobody resumes it
4 received, then [4, 5]
""",
}


@pytest.mark.parametrize("name", PRINTED)
def test_example_prints_what_it_shows(name: str) -> None:
    """The example ends by itself, complains of nothing, and prints each of the things that it shows."""
    program = [sys.executable, "-X", "dev", "-W", "error", str(STREAMS / name)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=20, check=False)
    assert done.stderr == ""
    assert done.stdout == PRINTED[name]
    assert done.returncode == 0


def test_every_example_is_tested() -> None:
    """No example of the folder is left out."""
    assert {each.name for each in STREAMS.glob("*.py")} == set(PRINTED)
