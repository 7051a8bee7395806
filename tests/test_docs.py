"""The documents say what the code does."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from hother.cancelable import OperationRegistry, ThreadSafeRegistry

from .documents import BLOCKS, DOCUMENTS, ROOT, Block
from .redis_service import redis_service

LANGUAGES = {"css", "html", "http", "ini", "js", "json", "python", "sh", "sql", "text", "toml", "yaml"}
"""How blocks may name their language: one spelling each, so that none of Python is left out here."""

NOT_RUN: dict[str, str] = {}
"""Blocks of Python that cannot run, by a line of them that no other block has, and why."""

STARTS_IN_A_SHELL = [
    "README.md",
    "docs/performance.md",
    "docs/reference/command-line.md",
    "examples/README.md",
    *(f"packages/{name}/README.md" for name in ("core", "integrations-fastapi", "registry", "sources", "streams")),
]
"""Pages whose first step is a command."""

REDIS = "redis://localhost:6379"
"""A block that names this Redis is given a real one, on a port of its own."""

PYTHON = [block for block in BLOCKS if block.language == "python" and not any(line in block.code for line in NOT_RUN)]


@pytest.fixture(scope="module")
def redis() -> Generator[str]:
    """The URL of a Redis, without the number of the database."""
    with redis_service() as server:
        yield server.url.rpartition("/")[0]


@pytest.fixture
def _registry_of_the_block() -> Generator[None]:
    """Give a block a process-wide registry of its own, and take back what it does to it."""
    before = OperationRegistry.get_instance()
    OperationRegistry().install()
    yield
    used = OperationRegistry.get_instance()
    used.track_no_more()
    ThreadSafeRegistry(used).close()
    before.install()


@pytest.mark.server
@pytest.mark.parametrize("block", PYTHON, ids=str)
@pytest.mark.usefixtures("_registry_of_the_block")
def test_python_block_prints_what_it_says(
    block: Block, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    """Each Python block of a document or a docstring runs, and prints the lines that it claims to print."""
    block.run(**({REDIS: request.getfixturevalue("redis")} if REDIS in block.code else {}))
    assert capsys.readouterr().out.splitlines() == block.claims


def test_every_page_starts_with_code_that_runs() -> None:
    """The first block of each README, and of each page that is more than a file of the repository, is run here."""
    first = {block.document: block for block in reversed(BLOCKS)}
    pages = [each for each in DOCUMENTS if each.name == "README.md" or "docs" in each.relative_to(ROOT).parts]
    pages = [each for each in pages if not each.read_text().startswith("--8<--")]
    others = [each.relative_to(ROOT).as_posix() for each in pages if each not in first or first[each] not in PYTHON]
    assert sorted(others) == sorted(STARTS_IN_A_SHELL)
    assert [name for name in others if first[ROOT / name].language != "sh"] == []


def test_the_list_of_blocks_that_do_not_run_is_true() -> None:
    """Each entry is about one block, and blocks name their language as this file expects."""
    assert {line: sum(line in block.code for block in BLOCKS) for line in NOT_RUN} == dict.fromkeys(NOT_RUN, 1)
    assert [f"{block}: {block.language!r}" for block in BLOCKS if block.language not in LANGUAGES] == []
