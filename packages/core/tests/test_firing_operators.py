"""`a | b` and `a & b` between sources, which the package of the sources provides."""

from __future__ import annotations

import operator
import sys
import types
from collections.abc import Callable
from typing import Any

import pytest

from hother.cancelable import CancelationSource

from .wires import Wire

MODULE = "hother.cancelable.sources"
OPERATORS: dict[str, Callable[[Any, Any], Any]] = {"|": operator.or_, "&": operator.and_}


@pytest.fixture
def only_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the package of the sources look as if it were not installed."""

    class Absent:
        def find_spec(self, name: str, path: object = None, target: object = None) -> None:
            if name == MODULE:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    for name in list(sys.modules):
        if name == MODULE or name.startswith(f"{MODULE}."):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Absent(), *sys.meta_path])


@pytest.mark.usefixtures("only_core")
@pytest.mark.parametrize("sign", OPERATORS)
def test_with_core_alone(sign: str) -> None:
    """The error says what was written and what to install."""
    with pytest.raises(ImportError) as caught:
        OPERATORS[sign](Wire(), Wire())
    distribution = "hother-cancelable-sources"
    assert str(caught.value) == (
        f"`{sign}` between sources needs the distribution {distribution}: pip install {distribution}"
    )
    assert caught.value.__cause__ is None


@pytest.mark.usefixtures("only_core")
@pytest.mark.parametrize("sign", OPERATORS)
@pytest.mark.parametrize("other", [None, 3, "a source", True, Wire, [Wire()]], ids=repr)
def test_with_something_else(sign: str, other: object) -> None:
    """What is no source is a TypeError on either side, of Python's own, with or without the package."""
    assert Wire().__or__(other) is NotImplemented  # type: ignore[operator]
    assert Wire().__and__(other) is NotImplemented  # type: ignore[operator]
    for left, right in ((Wire(), other), (other, Wire())):
        with pytest.raises(TypeError, match="unsupported operand type"):
            OPERATORS[sign](left, right)


def test_with_something_that_knows_sources() -> None:
    """An object of another kind may give the operators a meaning of its own."""

    class Rule:
        def __ror__(self, other: CancelationSource) -> str:
            return "or a rule"

        def __rand__(self, other: CancelationSource) -> str:
            return "and a rule"

    assert Wire() | Rule() == "or a rule"
    assert Wire() & Rule() == "and a rule"


@pytest.mark.parametrize(("sign", "kind"), [("|", "AnyOfSource"), ("&", "AllOfSource")])
def test_with_the_package(sign: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The composite is made of both sources, in their order."""
    module: Any = types.ModuleType(MODULE)
    setattr(module, kind, lambda *parts: (kind, parts))
    monkeypatch.setitem(sys.modules, MODULE, module)
    one, two = Wire(), Wire()
    assert OPERATORS[sign](one, two) == (kind, (one, two))
