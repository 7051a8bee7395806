"""Wheels built once for all tests of the distributions, and environments that hold them."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from .needs import program
from .workspace import PROJECTS, ROOT, run


@dataclass(frozen=True)
class Environment:
    """An environment that holds wheels of ours, and an empty folder to work in."""

    folder: Path
    empty: Path

    def run(self, code: str) -> str:
        """Run code in a fresh interpreter, with warnings as errors, and return what it printed."""
        return run([self.folder / "bin" / "python", "-I", "-W", "error", "-c", code], cwd=self.empty)

    def variables(self) -> Mapping[str, str]:
        """Return the variables of a shell in which the environment is active."""
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return {**os.environ, "VIRTUAL_ENV": str(self.folder), "PATH": path}


def install(wheels: Sequence[Path], folder: Path) -> Environment:
    """Make an empty environment and install wheel files into it, their dependencies from the index."""
    uv = program("uv")
    environment = Environment(folder / "venv", folder / "empty")
    environment.empty.mkdir()
    run([uv, "venv", "--no-project", "--python", sys.executable, environment.folder], cwd=folder)
    run([uv, "pip", "install", "--python", environment.folder, *wheels], cwd=folder)
    return environment


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build every distribution without the workspace's sources and return the folder."""
    folder = tmp_path_factory.mktemp("dist")
    run([program("uv"), "build", "--all-packages", "--no-sources", "--out-dir", folder], cwd=ROOT)
    return folder


@pytest.fixture(scope="session")
def wheels(dist: Path) -> dict[str, Path]:
    """Return the wheel of each distribution."""
    names = {
        project.name: f"{project.name.replace('-', '_')}-{project.version}-py3-none-any.whl" for project in PROJECTS
    }
    return {name: dist / file for name, file in names.items()}


@pytest.fixture(scope="session")
def core_alone(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Return an environment that holds core's wheel and what it depends on."""
    return install([wheels["hother-cancelable-core"]], tmp_path_factory.mktemp("core"))


@pytest.fixture(scope="session")
def everything(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Return an environment that holds every wheel."""
    return install(list(wheels.values()), tmp_path_factory.mktemp("everything"))
