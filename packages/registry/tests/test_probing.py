"""How late an event loop is."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from hother.cancelable.registry import probing


def test_a_loop_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop is as late as its answer came, or as long as none has come; it is asked again when it has answered."""
    now, posted = [100.0], list[Callable[[], None]]()
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(probing, "post", lambda _, callback: posted.append(callback))
    probe, loop = probing.Probe(), object()
    assert probe.lag([loop]) == 0.0
    now[0] = 103.0
    assert probe.lag([loop]) == pytest.approx(3.0)
    assert len(posted) == 1
    posted[0]()
    now[0] = 110.0
    assert probe.lag([loop, loop]) == pytest.approx(3.0)
    assert len(posted) == 2
    now[0] = 111.0
    assert probe.lag([object(), loop]) == pytest.approx(1.0)
    assert probe.lag([]) is None
