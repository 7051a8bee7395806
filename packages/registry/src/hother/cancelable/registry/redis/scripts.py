"""The Lua scripts: each changes or reads the store in one step."""

from __future__ import annotations

import functools
import hashlib
from importlib.resources import files
from typing import NamedTuple


class Script(NamedTuple):
    """A script, and the name that a server keeps it under."""

    text: str
    sha: str


@functools.cache
def _read(name: str) -> str:
    return (files(__name__.rpartition(".")[0]) / "lua" / f"{name}.lua").read_text("utf-8")


def _load(*names: str) -> Script:
    text = "\n".join(map(_read, ("shared", *names)))
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


HELLO = _load("hello")
PUT = _load("writing", "put")
FINISH = _load("writing", "finish")
BEAT = _load("beat")
ACKNOWLEDGE = _load("acknowledge")
WITHDRAW = _load("withdraw")
REAP = _load("reap")
BYE = _load("bye")
CANCEL = _load("cancel")
SCAN = _load("scan")
WORKERS = _load("workers")
STATISTICS = _load("statistics")
FIND = _load("find")
FEED = _load("feed")
PROBE = _load("probe")
_read.cache_clear()
