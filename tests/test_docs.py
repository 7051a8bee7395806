"""The documents say what the code does."""

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("packages/*/README.md"))]
SOURCES = sorted(ROOT.glob("packages/*/src/**/*.py"))
BLOCK = re.compile(r"^( *)```python\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
CLAIM = re.compile(r"^ *#> ?(.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A block of Python in a document or a docstring."""

    document: Path
    line: int
    code: str

    def __str__(self) -> str:
        return f"{self.document.relative_to(ROOT)}:{self.line}"

    @property
    def claims(self) -> list[str]:
        """The lines that the block says it prints."""
        return CLAIM.findall(self.code)

    def run(self) -> None:
        """Run the block; tracebacks name the document and its line."""
        padded = "\n" * self.line + self.code
        exec(compile(padded, self.document, "exec"), {"__name__": "__main__"})


def blocks(document: Path) -> Iterator[Block]:
    """Yield the blocks of Python in a document, or in the docstrings of a module."""
    text = document.read_text()
    for match in BLOCK.finditer(text):
        yield Block(document, text[: match.start()].count("\n") + 1, textwrap.dedent(match[2]))


BLOCKS = [block for document in [*DOCUMENTS, *SOURCES] for block in blocks(document)]


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_python_block_prints_what_it_says(block: Block, capsys: pytest.CaptureFixture[str]) -> None:
    """Each Python block of a document or a docstring runs, and prints the lines that it claims to print."""
    block.run()
    assert capsys.readouterr().out.splitlines() == block.claims


def test_every_readme_shows_code() -> None:
    """Each README has at least one block that is run here."""
    shown = {block.document for block in BLOCKS}
    assert {document for document in DOCUMENTS if document.name == "README.md"} <= shown
