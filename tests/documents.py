"""The documents of the repository, and the blocks of code in them and in docstrings."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
DOCUMENTS: Final = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "examples/README.md")),
    *sorted(ROOT.glob("packages/*/README.md")),
    *sorted(ROOT.glob("docs/**/*.md")),
]
SOURCES: Final = sorted(ROOT.glob("packages/*/src/**/*.py"))
_FENCE: Final = re.compile(r"^( *)(`{3,}|~{3,})[ {.]*([\w+-]*)[^\n]*\n(.*?)^\1\2 *$", re.MULTILINE | re.DOTALL)
_CLAIM: Final = re.compile(r"^ *#> ?(.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A block of code in a document or a docstring."""

    document: Path
    line: int
    language: str
    code: str

    def __str__(self) -> str:
        return f"{self.document.relative_to(ROOT).as_posix()}:{self.line}"

    @property
    def claims(self) -> list[str]:
        """The lines that the block says it prints."""
        return _CLAIM.findall(self.code)

    def run(self, **changes: str) -> None:
        """Run the block, with some texts changed; tracebacks name the document and its line."""
        padded = "\n" * self.line + self.code
        for old, new in changes.items():
            padded = padded.replace(old, new)
        exec(compile(padded, self.document, "exec"), {"__name__": "__main__"})


def blocks_of(document: Path) -> Iterator[Block]:
    """Yield the blocks of a document, or of the docstrings of a module."""
    text = document.read_text()
    for match in _FENCE.finditer(text):
        line = text[: match.start()].count("\n") + 1
        yield Block(document, line, match[3], textwrap.dedent(match[4]))


BLOCKS: Final = [block for document in [*DOCUMENTS, *SOURCES] for block in blocks_of(document)]
