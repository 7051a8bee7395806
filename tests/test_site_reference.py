"""The API reference has every public name."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import ModuleType

import griffe
import pytest
from mkdocstrings import Inventory

import hother.cancelable.integrations.fastapi.operations
import hother.cancelable.registry.redis
import hother.cancelable.registry.telemetry

from .built_site import BuiltSite
from .documents import ROOT
from .test_public_names import MODULES, members

pytestmark = pytest.mark.timeout(150)  # the site is built in the first test that looks at it

DOCUMENTED = [
    *MODULES,
    hother.cancelable.integrations.fastapi.operations,
    hother.cancelable.registry.redis,
    hother.cancelable.registry.telemetry,
]


def names(module: ModuleType) -> Iterator[tuple[str, object]]:
    """Yield what a package exports, with its names."""
    exported: list[str] = module.__all__
    return ((name, getattr(module, name)) for name in exported)


def homes(wanted: object, name: str) -> list[str]:
    """Return the paths that something may be described at: all its names in all packages that have it."""
    exported = [(module, {*module.__all__, name}) for module in DOCUMENTED]
    return [f"{module.__name__}.{n}" for module, ns in exported for n in ns if getattr(module, n, None) is wanted]


@pytest.fixture(scope="module")
def documented(built_site: BuiltSite) -> set[str]:
    """The paths of what the reference describes."""
    with (built_site.folder / "objects.inv").open("rb") as file:
        return set(Inventory.parse_sphinx(file))


@pytest.mark.parametrize("module", DOCUMENTED, ids=lambda module: module.__name__)
def test_every_public_name_has_a_place_in_the_reference(module: ModuleType, documented: set[str]) -> None:
    """Each name that a package exports is described on a page, and so is each public member of a class."""
    assert [name for name, each in names(module) if not documented.intersection(homes(each, name))] == []
    for name, kind in names(module):
        if inspect.isclass(kind):
            wanted = [member.partition(".")[2] for member, _ in members(kind)]
            lacking = [m for m in wanted if not documented.intersection(f"{home}.{m}" for home in homes(kind, name))]
            assert lacking == [], name


def test_every_public_name_has_a_docstring() -> None:
    """Constants and aliases of types have one, too: a text below them, which only a reader of the source finds."""
    sources = list(ROOT.glob("packages/*/src"))
    packages = griffe.load("hother", search_paths=sources, resolve_aliases=True)
    for module in DOCUMENTED:
        read = packages[module.__name__.partition(".")[2]]
        assert [name for name, _ in names(module) if not read[name].has_docstring] == [], module.__name__
