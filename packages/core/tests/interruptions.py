"""Doing something in the midst of the core: before the n-th line or instruction that it runs in this thread."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, Self

import hother.cancelable.core

TRACED = (str(Path(hother.cancelable.core.__file__).parent), threading.__file__)


class Interruption:
    """Calls `act` in this thread before the n-th step that the core takes, or `threading` for it.

    A step is a line or an instruction. What `act` raises comes out of that step.
    """

    def __init__(self, at: int, act: Callable[[], object]) -> None:
        self.at = at
        self.act = act
        self.steps = 0
        self._before: Any = None

    @property
    def came(self) -> bool:
        """Whether there were so many steps."""
        return self.steps > self.at

    def __enter__(self) -> Self:
        self._before = sys.gettrace()
        sys.settrace(self._enter_frame)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._before)

    def _enter_frame(self, frame: FrameType, event: str, arg: object) -> Any:
        if not frame.f_code.co_filename.startswith(TRACED):
            return None
        frame.f_trace_opcodes = True
        return self._step

    def _step(self, frame: FrameType, event: str, arg: object) -> Any:
        if event in {"line", "opcode"}:
            self.steps += 1
            if self.steps == self.at + 1:
                self.act()
        return self._step
