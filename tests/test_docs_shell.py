"""The commands in the documents exist."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sysconfig

import pytest
from typer.testing import CliRunner

from hother.cancelable.registry.cli.app import COMMANDS, app

from .documents import BLOCKS, DOCUMENTS, ROOT, Block

BUILT_IN = {".", "cd", "export"}
OF_THE_READER = {"pip", "wrk"}
"""Programs that a reader may have, and this environment need not."""

WHERE = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])

COMMAND_LINE = ROOT / "docs/reference/command-line.md"
SHELL = [block for block in BLOCKS if block.language == "sh" and block.document in DOCUMENTS]
PATH = re.compile(r"(?<![\w./-])(?:(?:examples|packages|scripts|tests)/[\w/-]+(?:\.py)?|\.ci/run)")
SETTING = re.compile(r"[A-Z_]+=")


def commands(block: Block) -> list[list[str]]:
    """Return the words of each command of a block, without the variables that are set before it."""
    text = re.sub(r"(?:^|\s)#.*$", "", block.code.replace("\\\n", " "), flags=re.MULTILINE)
    found: list[list[str]] = [[]]
    lexer = shlex.shlex(text.replace("\n", ";"), posix=True, punctuation_chars=";&|")
    lexer.whitespace_split = True
    for word in lexer:
        if word.strip(";&|") == "":
            found.append([])
        elif found[-1] or not SETTING.match(word):
            found[-1].append(word)
    return [words for words in found if words]


def options(text: str) -> set[str]:
    """Return the long options that a text names."""
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text))


def options_of(*command: str) -> set[str]:
    """Return the long options of `cancelable`, or of a command of it."""
    return options(
        CliRunner().invoke(app, [*command, "--help"]).stdout.partition("\nOptions:")[2].partition("\n  Exit codes:")[0]
    )


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_commands_and_files_of_a_shell_block_exist(block: Block) -> None:
    """Each program that a block starts is here or the reader's own, and so is each file of the repository it names."""
    for words in commands(block):
        program = words[0]
        assert program in BUILT_IN | OF_THE_READER or shutil.which(program, path=WHERE) or (ROOT / program).is_file()
        if program == "cancelable" and words[1] in COMMANDS:
            assert options(" ".join(words)) <= options_of(words[1])
    assert [path for path in PATH.findall(block.code) if not (ROOT / path).exists()] == []


def test_page_of_the_command_line_names_each_command_and_option() -> None:
    """The reference has a row for each command with its options, and describes those of the program itself."""
    page = COMMAND_LINE.read_text()
    rows = dict(re.findall(r"^\| `cancelable (\w+).*\|([^|]*)\|$", page, re.MULTILINE))
    assert rows.keys() == COMMANDS.keys()
    of_all = {"--redis", "--namespace", "--help"}
    assert {name: options(row) for name, row in rows.items()} == {name: options_of(name) - of_all for name in COMMANDS}
    assert options_of() | of_all <= options(page)
