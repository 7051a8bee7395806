"""What the packages export is exact and documented."""

import inspect
from collections.abc import Iterator
from types import ModuleType

import pytest

import hother.cancelable
import hother.cancelable.core
import hother.cancelable.integrations.fastapi
import hother.cancelable.registry
import hother.cancelable.sources
import hother.cancelable.streams
import hother.cancelable.testing

MODULES: list[ModuleType] = [
    hother.cancelable,
    hother.cancelable.core,
    hother.cancelable.integrations.fastapi,
    hother.cancelable.registry,
    hother.cancelable.sources,
    hother.cancelable.streams,
    hother.cancelable.testing,
]
ALLOWED = {"TYPE_CHECKING", "annotations", "extend_path"}

each_module = pytest.mark.parametrize("module", MODULES, ids=[module.__name__ for module in MODULES])


def public(names: Iterator[str] | list[str]) -> Iterator[str]:
    """Yield the names without a leading underscore."""
    return (name for name in names if not name.startswith("_"))


def documentable(each: object) -> bool:
    """Return whether something can carry a docstring: constants and type aliases cannot."""
    return inspect.isclass(each) or inspect.isroutine(each) or isinstance(each, property)


def members(owner: type) -> Iterator[tuple[str, object]]:
    """Yield the public members of a class, and their names, as far as they are ours."""
    for kind in owner.__mro__:
        if kind.__module__.startswith("hother."):
            for name in public(list(vars(kind))):
                yield f"{owner.__name__}.{name}", getattr(owner, name)


@each_module
def test_all_names_exactly_what_is_public(module: ModuleType) -> None:
    """A package exports each public name that it has, once, and none that it lacks."""
    exported: list[str] = module.__all__
    for name in exported:
        getattr(module, name)  # what is loaded when it is first asked for is a variable of the module from then on
    present = {name for name in public(list(vars(module))) if not inspect.ismodule(getattr(module, name))}
    assert set(exported) == present - ALLOWED
    assert len(exported) == len(set(exported))


@each_module
def test_every_public_name_is_documented(module: ModuleType) -> None:
    """Each exported class and function, and each public method of such a class, has a docstring."""
    exported: list[tuple[str, object]] = [(name, getattr(module, name)) for name in module.__all__]
    exported += [member for _, kind in exported if isinstance(kind, type) for member in members(kind)]
    assert [name for name, each in exported if documentable(each) and not inspect.getdoc(each)] == []
