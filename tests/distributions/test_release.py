"""What `.ci/release` refuses to build, before it builds anything."""

import fnmatch
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from .needs import program
from .workspace import PROJECTS, ROOT

SCRIPT = ".ci/release"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of two distributions, one of which has a changelog that does not know its version."""
    root = tmp_path_factory.mktemp("repository")
    files = [SCRIPT, "pyproject.toml", "packages/core/pyproject.toml", "packages/core/CHANGELOG.md"]
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    core = root / "packages/core"
    (core / "pyproject.toml").write_text('[project]\nname = "hother-cancelable-core"\nversion = "7.8.9"\n')
    return root


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "give a tag and a folder"),
        (["v1.0", "dist"], "the tag 'v1.0' is not <distribution>==<version>"),
        (["hother-cancelable==", "dist"], "the tag 'hother-cancelable==' is not <distribution>==<version>"),
        (["hother-cancelable-nothing==1.0", "dist"], "no project here is named 'hother-cancelable-nothing'"),
        (["hother-cancelable-core==1.0", "dist"], "the tag says 1.0, and packages/core/pyproject.toml says 7.8.9"),
        (["hother-cancelable-core==7.8.9", "dist"], "packages/core/CHANGELOG.md has no section [7.8.9]"),
    ],
)
def test_release_refuses(repository: Path, arguments: list[str], complaint: str) -> None:
    """A tag that names no distribution, another version, or one that the changelog does not know is not built."""
    command = [program("bash"), str(repository / SCRIPT), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert complaint in done.stderr
    assert not (repository / "dist").exists()


def test_the_tag_of_each_distribution_starts_the_workflow() -> None:
    """The pattern of the workflow fits the tags of all distributions, and not those of others."""
    workflow = (ROOT / ".github/workflows/release.yml").read_text()
    [pattern] = re.findall(r'tags: \["(.*)"\]', workflow)
    tags = [f"{project.name}=={project.version}" for project in PROJECTS]
    assert fnmatch.filter([*tags, "v1.0", "hother-cancelable-core"], pattern) == tags
