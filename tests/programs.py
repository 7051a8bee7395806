"""Running the examples as programs."""

from __future__ import annotations

import re
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"

_SLOW = re.compile(r"^Executing <.*> took \d+\.\d+ seconds\n", re.MULTILINE)


def command(example: str, *arguments: str) -> list[str]:
    """Return what runs an example in development mode, with each warning an error."""
    return [sys.executable, "-X", "dev", "-W", "error", str(EXAMPLES / example), *arguments]


def complaints(stderr: str) -> str:
    """Return what a program complained of, but for asyncio's remark in development mode that the machine is busy."""
    return _SLOW.sub("", stderr)
