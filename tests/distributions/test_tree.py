"""The project files and source trees fit together."""

import pytest

from .workspace import MEMBERS, META, PROJECTS, ROOT, Project

CORE = {"hother.cancelable", "hother.cancelable_pytest"}
VERSIONS = {project.name: project.version for project in PROJECTS}

each_project = pytest.mark.parametrize("project", PROJECTS, ids=[project.name for project in PROJECTS])
each_member = pytest.mark.parametrize("project", MEMBERS, ids=[project.name for project in MEMBERS])


@each_project
def test_sibling_versions_satisfy_each_others_bounds(project: Project) -> None:
    """A sibling of this repository is always one that the bounds of its dependents accept."""
    for need in project.requirements:
        if need.name in VERSIONS:
            assert need.specifier, f"{need.name} has no bounds"
            assert VERSIONS[need.name] in need.specifier, str(need)


def test_meta_package_depends_on_every_member() -> None:
    """Whoever installs the meta-package gets all packages."""
    assert {need.name for need in META.requirements} >= {project.name for project in MEMBERS}


@each_project
def test_projects_support_the_same_python(project: Project) -> None:
    """No package asks for another Python than the meta-package does."""
    assert project.table["requires-python"] == META.table["requires-python"]


@each_project
def test_project_has_its_files(project: Project) -> None:
    """Each distribution has a README, the licence of the repository, and, if it has code, a changelog."""
    assert (project.folder / "README.md").is_file()
    assert (project.folder / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    assert project is META or (project.folder / "CHANGELOG.md").is_file()


@each_member
def test_tools_know_the_member(project: Project) -> None:
    """The settings of uv, mypy and import-linter name each package."""
    tools = META.settings["tool"]
    source = (project.folder / "src").relative_to(ROOT).as_posix()
    layers, siblings = tools["importlinter"]["contracts"]
    assert tools["uv"]["sources"][project.name] == {"workspace": True}
    assert source in tools["mypy"]["mypy_path"].split(":")
    for module in project.modules:
        if module not in CORE:
            assert any(f"({module})" in layer for layer in layers["layers"])
            assert module in siblings["source_modules"]


@each_member
def test_member_ships_its_types(project: Project) -> None:
    """Each package carries the py.typed marker in the folder that it owns."""
    for module in project.modules:
        assert (project.folder / "src" / module.replace(".", "/") / "py.typed").is_file()


@each_member
def test_pyright_sees_each_sibling_of_core(project: Project) -> None:
    """Each package other than core is linked from typings, where pyright looks in the editable layout."""
    for module in project.modules:
        link = ROOT / "typings" / module.replace(".", "/")
        source = project.folder / "src" / module.replace(".", "/")
        if module not in CORE:
            assert link.is_symlink()
            assert not link.readlink().is_absolute()
            assert link.resolve() == source.resolve()


def test_hother_is_a_namespace_in_every_source_tree() -> None:
    """No package claims hother for itself with an __init__.py."""
    assert list(ROOT.glob("packages/*/src/hother/__init__.py*")) == []


@each_member
def test_package_owns_no_folder_above_its_own(project: Project) -> None:
    """Only core puts files into the folders that the packages share."""
    own = tuple(project.folder / "src" / module.replace(".", "/") for module in project.modules)
    files = (path for path in (project.folder / "src").rglob("*.py*") if "__pycache__" not in path.parts)
    assert [path for path in files if not any(path.is_relative_to(folder) for folder in own)] == []
