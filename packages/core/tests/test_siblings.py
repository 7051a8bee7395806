"""What lives in other distributions: one table, and one error that names what to install."""

from __future__ import annotations

import subprocess
import sys
import types
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest

import hother.cancelable
import hother.cancelable.core
from hother.cancelable import (
    Cancelable,
    cancelable_with_condition,
    cancelable_with_signal,
)
from hother.cancelable.core.siblings import LATE, SIBLINGS, load

MODULES = sorted({module for module, _ in SIBLINGS.values()})


@pytest.fixture(autouse=True)
def _only_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the siblings look as if they were not installed."""

    class Absent:
        def find_spec(self, name: str, path: object = None, target: object = None) -> None:
            if name in MODULES:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    for name in list(sys.modules):
        if any(name == module or name.startswith(f"{module}.") for module in MODULES):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Absent(), *sys.meta_path])
    monkeypatch.setattr("hother.cancelable.core.observer._process_wide", ())


async def nothing() -> AsyncGenerator[int, None]:
    """Yield nothing."""
    return
    yield


WANTED: dict[str, tuple[Callable[[], object], str, str]] = {
    "with_signal": (lambda: Cancelable.with_signal(2), "Cancelable.with_signal", "sources"),
    "with_condition": (lambda: Cancelable.with_condition(lambda: True), "Cancelable.with_condition", "sources"),
    "cancelable_with_signal": (lambda: cancelable_with_signal(2), "with_signal", "sources"),
    "cancelable_with_condition": (lambda: cancelable_with_condition(lambda: True), "with_condition", "sources"),
    "stream": (lambda: Cancelable().stream(nothing()), "Cancelable.stream", "streams"),
    "register_globally": (lambda: Cancelable(register_globally=True), "register_globally=True", "registry"),
    "with_timeout": (lambda: Cancelable.with_timeout(5, register_globally=True), "register_globally", "registry"),
}


@pytest.mark.parametrize("case", WANTED)
def test_a_factory_names_the_distribution_that_it_needs(case: str) -> None:
    """With core alone these are ImportErrors that say what was asked for and what to install."""
    use, wanted, package = WANTED[case]
    with pytest.raises(ImportError, match=wanted) as caught:
        use()
    assert f"pip install hother-cancelable-{package}" in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("name", SIBLINGS)
def test_a_name_of_the_facade_names_the_distribution_that_it_needs(name: str) -> None:
    """`from hother.cancelable import X` says which distribution has X, where it is not installed."""
    with pytest.raises(ImportError, match=f"{SIBLINGS[name][1]}") as caught:
        getattr(hother.cancelable, name)
    assert f"hother.cancelable.{name}" in str(caught.value)


def test_the_names_that_the_documents_import_from_the_top() -> None:
    """The table knows at least those names."""
    assert set(SIBLINGS) >= {
        "AllOfSource",
        "AnyOfSource",
        "CompositeSource",
        "OperationRegistry",
        "ThreadSafeRegistry",
        "cancelable_stream",
    }


def test_a_misspelt_name_is_an_attribute_error() -> None:
    """What no distribution has is reported as Python does it."""
    with pytest.raises(AttributeError, match=r"module 'hother\.cancelable' has no attribute 'Cancellable'"):
        getattr(hother.cancelable, "Cancellable")  # noqa: B009
    assert not hasattr(hother.cancelable, "Cancellable")


@pytest.mark.parametrize("name", SIBLINGS)
def test_an_installed_sibling_is_loaded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the sibling is installed its object is what the facade gives."""
    module: Any = types.ModuleType(SIBLINGS[name][0])
    setattr(module, name, object())
    monkeypatch.setitem(sys.modules, SIBLINGS[name][0], module)
    assert load(name, "something") is getattr(module, name)
    assert getattr(hother.cancelable, name) is getattr(module, name)


def test_a_sibling_that_is_broken_is_not_called_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the sibling itself cannot import what it needs, that error is shown as it is."""

    class Broken:
        def find_spec(self, name: str, path: object = None, target: object = None) -> None:
            if name == "hother.cancelable.sources":
                raise ModuleNotFoundError("No module named 'psutil'", name="psutil")

    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    with pytest.raises(ModuleNotFoundError, match="psutil"):
        Cancelable.with_signal(2)


def test_the_facade_exports_what_core_exports() -> None:
    """Every name of core's `__all__` that users need is on the facade, and is the same object."""
    import hother.cancelable.core

    for_siblings = {
        "Disarm",
        "Loop",
        "TaskBeside",
        "Timer",
        "current_backend",
        "current_loop",
        "end_steps",
        "entered_here",
        "facts_of",
        "has_listeners",
        "logger",
        "native_cancel_requests",
        "observe",
        "positive_seconds",
        "post",
        "postponed",
        "request_cancel",
        "require",
        "require_distinct",
        "set_process_wide",
        "start_beside",
        "step",
        "stop_observing",
    }
    assert set(hother.cancelable.__all__) == set(hother.cancelable.core.__all__) - for_siblings
    for name in hother.cancelable.__all__:
        assert getattr(hother.cancelable, name) is getattr(hother.cancelable.core, name)


def test_what_is_late_is_not_loaded_at_import() -> None:
    """Importing the facade loads neither the decorators nor the record nor what those need."""
    program = (
        "import sys, anyio, asyncio; before = set(sys.modules); import hother.cancelable; "
        "print(*sorted(set(sys.modules) - before))"
    )
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()
    assert "hother.cancelable.core.operation" in loaded
    late = {f"hother.cancelable.core{module}" for module in LATE.values()}
    assert not set(loaded) & {*late, "anyio.lowlevel", "dataclasses", "datetime"}


@pytest.mark.parametrize("module", [hother.cancelable, hother.cancelable.core])
def test_what_is_late_is_listed(module: types.ModuleType) -> None:
    """`dir()` has every public name, loaded or not, for editors and shells."""
    assert set(module.__all__) <= set(dir(module))
    assert set(SIBLINGS) <= set(dir(hother.cancelable))
    with pytest.raises(AttributeError, match=f"module '{module.__name__}' has no attribute 'Cancellable'"):
        module.Cancellable  # noqa: B018
