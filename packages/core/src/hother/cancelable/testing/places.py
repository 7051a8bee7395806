"""Where a suspended coroutine sits."""

from __future__ import annotations

import asyncio
import linecache
import sysconfig
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import anyio

from hother.cancelable.core import loop_asyncio

_LIBRARIES = tuple({str(Path(sysconfig.get_path(name)).resolve()) for name in ("stdlib", "purelib", "platlib")})
_OWN = str(Path(__file__).parents[1])
_EVENT_LOOPS = (str(Path(anyio.__file__).parent), str(Path(asyncio.__file__).parent))


class Place(NamedTuple):
    """A line of code."""

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        path = Path(self.file)
        folder = Path.cwd()
        shown = path.relative_to(folder) if path.is_relative_to(folder) else path
        return f"{shown}:{self.line} in {self.function}"

    @property
    def source(self) -> str:
        """The text of the line."""
        return linecache.getline(self.file, self.line).strip()


def place_of(coroutine: object) -> Place | None:
    """Return the innermost line of the user's code at which a coroutine waits, or its outermost line."""
    found: list[Place] = []
    awaited: Any = coroutine
    while awaited is not None:
        frame = loop_asyncio._first(awaited, "cr_frame", "gi_frame", "ag_frame")
        if frame is not None:
            found.append(Place(frame.f_code.co_filename, frame.f_lineno, _qualified(frame.f_code)))
        following = loop_asyncio._first(awaited, "cr_await", "gi_yieldfrom", "ag_await")
        awaited = following or loop_asyncio._generator_behind(awaited)
    return innermost(found)


def place_of_error(traceback: TracebackType | None) -> Place | None:
    """Return the innermost line of the user's code that an exception has passed."""
    found: list[Place] = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        found.append(Place(code.co_filename, traceback.tb_lineno, _qualified(code)))
        traceback = traceback.tb_next
    return innermost([place for place in found if not place.file.startswith(str(Path(__file__).parent))])


def innermost(places: list[Place]) -> Place | None:
    """Return the last place that is not in a library, or else the first one."""
    users = [place for place in places if not place.file.startswith((*_LIBRARIES, _OWN, "<"))]
    return next(iter([*reversed(users), *places]), None)


def _qualified(code: Any) -> str:
    name: str = code.co_qualname
    return name.rpartition("<locals>.")[2]
