"""Signals that nobody can wait for are refused when the source is made."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from typing import Any

import pytest

from hother.cancelable import Cancelable, cancelable_with_signal
from hother.cancelable.sources import SignalSource

each_way = pytest.mark.parametrize("make", [SignalSource, Cancelable.with_signal, cancelable_with_signal])


@each_way
@pytest.mark.parametrize("number", [True, False, "SIGTERM", 15.0, None, [15], b"15", signal.SIG_DFL.name])
def test_no_number(make: Callable[..., object], number: Any) -> None:
    """What is no number is named in the error, also behind a good signal."""
    for signals in ((number,), (signal.SIGTERM, number)):
        with pytest.raises(TypeError, match=r"a signal is a number like signal\.SIGTERM, not ") as caught:
            make(*signals)
        assert repr(number) in str(caught.value)


@each_way
@pytest.mark.parametrize("number", [0, -1, 65, 1000, 10**30])
def test_unknown(make: Callable[..., object], number: int) -> None:
    """A number that the system does not know is named in the error."""
    with pytest.raises(ValueError, match=f"this system knows no signal {number}$"):
        make(signal.SIGTERM, number)


@each_way
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")
@pytest.mark.parametrize("name", ["SIGKILL", "SIGSTOP"])
def test_not_receivable(make: Callable[..., object], name: str) -> None:
    """SIGKILL and SIGSTOP reach no process, and the error says so."""
    with pytest.raises(ValueError, match=f"{name} ends or stops a process without telling it; wait for SIGTERM"):
        make(signal.Signals[name].value)


@each_way
def test_none(make: Callable[..., object]) -> None:
    """At least one signal is needed."""
    with pytest.raises(ValueError, match="at least one signal"):
        make()


@each_way
def test_on_windows(make: Callable[..., object], monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows there are two signals, and others are refused with these two named."""
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(signal, "SIGBREAK", 21, raising=False)
    make(signal.SIGINT, 21)
    for number, name in ((signal.SIGTERM, "SIGTERM"), (1000, "signal 1000")):
        with pytest.raises(ValueError, match=f"on Windows a process receives SIGINT and SIGBREAK, not {name}"):
            make(signal.SIGINT, number)
    with pytest.raises(TypeError):
        make("SIGINT")


def test_names() -> None:
    """Members of the enumeration and plain numbers are the same, a signal given twice is there once."""
    source = SignalSource(signal.SIGTERM, 15, signal.SIGINT, signal.SIGTERM.value)
    assert source.signals == (signal.SIGTERM, signal.SIGINT)
    assert source.name == "SIGTERM, SIGINT"
    assert repr(source) == "SignalSource(SIGTERM, SIGINT)"


@pytest.mark.skipif(not hasattr(signal, "SIGRTMIN"), reason="needs real-time signals")
def test_real_time() -> None:
    """Real-time signals are known by their number."""
    assert SignalSource(signal.SIGRTMIN + 1).name == f"signal {signal.SIGRTMIN + 1}"


def test_nothing_happens_when_made() -> None:
    """A source, an operation and a decorated function change no handler before they are used."""
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    for make in (SignalSource, Cancelable.with_signal, cancelable_with_signal):
        make(signal.SIGINT, signal.SIGTERM)
    assert {number: signal.getsignal(number) for number in handlers} == handlers
