"""What the packages say when something is wrong: the texts of errors, warnings and log lines, read from the sources."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

PACKAGES = Path(__file__).parents[1] / "packages"

_GAP = "…"
_ERRORS = ("Error", "Unavailable", "DuplicateOperation", "BadParameter")
_OTHERS = {"AssertionError", "AttributeError"}
"""What a test has found, and what Python says by itself."""
_LOGGED = {f"logger.{level}" for level in ("error", "exception", "log", "warning")}
_PRINTED = {"sys.stderr.write", "warnings.warn", "warnings.warn_explicit"}
_FORMAT = re.compile(r"%(?:\.\d+)?[a-z]")


class Said(NamedTuple):
    """Something that the packages say, with `…` for what is known at run time alone."""

    where: str
    text: str

    def matches(self, text: str) -> bool:
        """Tell whether a text can be this."""
        return re.fullmatch(".+".join(map(re.escape, self.text.split(_GAP))), text) is not None


@cache
def all_said() -> tuple[Said, ...]:
    """Return everything that the sources say, in their order."""
    return tuple(said for path in sorted(PACKAGES.glob("*/src/**/*.py")) for said in _said_in(path))


def _said_in(path: Path) -> Iterator[Said]:
    tree = ast.parse(path.read_text())
    for call, scope in _calls(tree, tree):
        name = ast.unparse(call.func)
        if not _says(call, name, scope):
            continue
        where = f"{path.relative_to(PACKAGES)}:{call.lineno}"
        for text in sorted({text for argument in call.args for text in _texts(argument, scope)}):
            first = text.strip().partition("\n")[0]
            words = _FORMAT.sub(_GAP, first) if name in _LOGGED else first
            if re.search(r"[a-z]{2,} ?[a-z]{2,}", words):
                yield Said(where, words)


def _calls(node: ast.AST, scope: ast.AST) -> Iterator[tuple[ast.Call, ast.AST]]:
    """Yield the calls in a tree, each with the function that it is in."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call):
            yield child, scope
        yield from _calls(child, child if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)) else scope)


def _says(call: ast.Call, name: str, scope: ast.AST) -> bool:
    """Tell whether a call makes an error, logs, warns, or ends the program."""
    if name in _LOGGED | _PRINTED or (name == "stop" and ast.unparse(call).startswith("stop(ExitCode.")):
        return True
    kind = name.split(".")[-1]
    return kind not in _OTHERS and (kind.endswith(_ERRORS) or _returns_error(call, scope))


def _returns_error(call: ast.Call, scope: ast.AST) -> bool:
    if not isinstance(scope, (ast.FunctionDef, ast.AsyncFunctionDef)) or scope.returns is None:
        return False
    makes_one = ast.unparse(scope.returns).endswith(_ERRORS)
    return makes_one and any(isinstance(node, ast.Return) and node.value is call for node in ast.walk(scope))


def _texts(node: ast.AST, scope: ast.AST) -> list[str]:
    """Return what an expression can say, with gaps; nothing if it is no text."""
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else []
    if isinstance(node, ast.IfExp):
        return _texts(node.body, scope) + _texts(node.orelse, scope)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _joined([_texts(node.left, scope), _texts(node.right, scope)])
    if isinstance(node, ast.JoinedStr):
        return _joined([_texts(part, scope) for part in node.values])
    if isinstance(node, ast.FormattedValue):
        plain = isinstance(node.value, ast.Name) and node.conversion == -1
        return (_texts(node.value, scope) if plain else []) or [_GAP]
    if isinstance(node, ast.Name):
        texts = [text for value in _assigned(node.id, scope) for text in _texts(value, scope) or [_GAP]]
        return [_GAP] if _GAP in texts else texts
    return []


def _joined(parts: list[list[str]]) -> list[str]:
    texts = [""]
    for part in parts:
        texts = [before + after for before in texts for after in part or [_GAP]]
    return texts


def _assigned(name: str, scope: ast.AST) -> Iterator[ast.AST]:
    for node in ast.walk(scope):
        if isinstance(node, ast.Assign) and any(ast.unparse(target) == name for target in node.targets):
            yield node.value
