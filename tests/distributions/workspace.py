"""The distributions of this repository, read from their project files."""

import subprocess
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Project:
    """One distribution: its folder and its parsed project file."""

    folder: Path
    settings: Mapping[str, Any]

    @property
    def table(self) -> Mapping[str, Any]:
        """The `[project]` table."""
        table: Mapping[str, Any] = self.settings["project"]
        return table

    @property
    def name(self) -> str:
        """The name of the distribution."""
        return str(self.table["name"])

    @property
    def version(self) -> str:
        """The version of the distribution."""
        return str(self.table["version"])

    @property
    def modules(self) -> list[str]:
        """The package that the wheel owns; none for the meta-package."""
        configured: str | list[str] = self.settings["tool"]["uv"]["build-backend"]["module-name"]
        return [configured] if isinstance(configured, str) else configured

    @property
    def requirements(self) -> list[Requirement]:
        """What the distribution depends on, extras included."""
        extras: Mapping[str, list[str]] = self.table.get("optional-dependencies", {})
        texts: list[str] = [*self.table["dependencies"], *(text for extra in extras.values() for text in extra)]
        return [Requirement(text) for text in texts]


def read(folder: Path) -> Project:
    """Read the project in a folder."""
    return Project(folder, tomllib.loads((folder / "pyproject.toml").read_text()))


META = read(ROOT)
MEMBERS = [read(path.parent) for path in sorted(ROOT.glob("packages/*/pyproject.toml"))]
PROJECTS = [META, *MEMBERS]
LIBRARIES = [module for project in MEMBERS for module in project.modules if module != "hother.cancelable_pytest"]
"""The packages that work without pytest."""


def run(command: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    """Run a command to its successful end and return what it wrote."""
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout
