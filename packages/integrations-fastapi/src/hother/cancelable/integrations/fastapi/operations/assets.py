"""The files of the page: templates, and static files under names that change with their content."""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from string import Template
from typing import Final, NamedTuple

_PACKAGE: Final = __name__.rpartition(".")[0]
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_IMPORT: Final = re.compile(rb'from "\./(\w+)\.js"')


class Asset(NamedTuple):
    """A static file."""

    content: bytes
    media_type: str


class Safe(str):
    """Text that is HTML already."""

    __slots__ = ()


@cache
def hashed_names() -> Mapping[str, str]:
    """Return under which name each static file is served: browsers may keep it for ever, since it changes with it."""
    names = sorted(each.name for each in _static().iterdir() if _kind(each.name) in _TYPES)
    return {name: f"{name.rpartition('.')[0]}.{_digest(_content(name))}{_kind(name)}" for name in names}


@cache
def assets() -> Mapping[str, Asset]:
    """Return the static files by the name that they are served under."""
    return {hashed: Asset(_content(name), _TYPES[_kind(name)]) for name, hashed in hashed_names().items()}


@cache
def _content(name: str) -> bytes:
    """Return a file; the modules that a script imports are named as they are served."""
    content = (_static() / name).read_bytes()
    return _IMPORT.sub(_served, content) if _kind(name) == ".js" else content


def _served(imported: re.Match[bytes]) -> bytes:
    stem = imported[1].decode()
    return f'from "./{stem}.{_digest(_content(f"{stem}.js"))}.js"'.encode()


def _static() -> Traversable:
    return files(_PACKAGE) / "static"


def fill(template: str, values: Mapping[str, object]) -> Safe:
    """Return a template with values in it, as text unless they are `Safe`.

    Raises:
        KeyError: If a value is missing.
    """
    escaped = {key: value if isinstance(value, Safe) else html.escape(str(value)) for key, value in values.items()}
    return Safe(_template(template).substitute(escaped))


@cache
def _template(name: str) -> Template:
    return Template((files(_PACKAGE) / "templates" / name).read_text("utf-8").rstrip("\n"))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


def _kind(name: str) -> str:
    return name[name.rfind(".") :]
