"""What the built distributions hold."""

import sys
from collections import Counter
from itertools import chain
from pathlib import Path
from zipfile import ZipFile

import pytest

from .workspace import MEMBERS, META, PROJECTS, Project, run

pytestmark = pytest.mark.timeout(240)

each_project = pytest.mark.parametrize("project", PROJECTS, ids=[project.name for project in PROJECTS])
each_member = pytest.mark.parametrize("project", MEMBERS, ids=[project.name for project in MEMBERS])


def files(wheel: Path) -> list[str]:
    """Return the files in a wheel."""
    return ZipFile(wheel).namelist()


def code(wheel: Path) -> list[str]:
    """Return the files in a wheel that are not metadata."""
    return [name for name in files(wheel) if ".dist-info/" not in name and not name.endswith("/")]


def test_every_distribution_builds(dist: Path, wheels: dict[str, Path]) -> None:
    """Each distribution gives one wheel and one source archive, and nothing else is built."""
    assert {path.name for path in dist.glob("*.whl")} == {path.name for path in wheels.values()}
    assert len(list(dist.glob("*.tar.gz"))) == len(PROJECTS)


def test_twine_accepts_the_metadata(dist: Path) -> None:
    """The metadata and the READMEs are what a package index accepts."""
    archives = [*dist.glob("*.whl"), *dist.glob("*.tar.gz")]
    run([sys.executable, "-m", "twine", "check", "--strict", *archives], cwd=dist)


def test_no_file_is_in_two_wheels(wheels: dict[str, Path]) -> None:
    """Installing or removing one distribution never touches a file of another."""
    owners = Counter(chain.from_iterable(files(wheel) for wheel in wheels.values()))
    assert [name for name, count in owners.items() if count > 1 and not name.endswith("/")] == []


def test_no_wheel_claims_hother(wheels: dict[str, Path]) -> None:
    """Other distributions may put packages beside ours under hother."""
    for wheel in wheels.values():
        assert "hother/__init__.py" not in files(wheel)


def test_meta_wheel_holds_no_code(wheels: dict[str, Path]) -> None:
    """The meta-package is metadata and nothing else."""
    assert code(wheels[META.name]) == []


@each_member
def test_wheel_holds_its_packages_with_their_types(project: Project, wheels: dict[str, Path]) -> None:
    """Each wheel holds its own package, and core's the plugin for pytest, marked as typed, and no tests."""
    folders = tuple(f"{module.replace('.', '/')}/" for module in project.modules)
    for folder in folders:
        assert f"{folder}py.typed" in code(wheels[project.name])
    assert all(name.startswith(folders) for name in code(wheels[project.name]))


@each_project
def test_wheel_holds_the_licence(project: Project, wheels: dict[str, Path]) -> None:
    """Each wheel carries the licence text."""
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in files(wheels[project.name]))
