"""The wheels, installed into empty environments, work."""

import json
import subprocess
import sys
from typing import Any

import pytest

from .conftest import Environment
from .workspace import LIBRARIES

pytestmark = pytest.mark.timeout(240)

OPERATION = """
import anyio
from hother.cancelable import Cancelable

async def main():
    async with Cancelable.with_timeout(1, name="small") as operation:
        await anyio.sleep(0)
    return operation.context.status.name

print(anyio.run(main))
"""

ABSENT = {
    "from hother.cancelable import OperationRegistry": "hother-cancelable-registry",
    "from hother.cancelable import ThreadSafeRegistry": "hother-cancelable-registry",
    "from hother.cancelable import AllOfSource": "hother-cancelable-sources",
    "from hother.cancelable import AnyOfSource": "hother-cancelable-sources",
    "from hother.cancelable import CompositeSource": "hother-cancelable-sources",
    "from hother.cancelable import cancelable_stream": "hother-cancelable-streams",
    "Cancelable(register_globally=True)": "hother-cancelable-registry",
    "Cancelable.with_condition(lambda: True)": "hother-cancelable-sources",
    "Cancelable.with_signal(2)": "hother-cancelable-sources",
}

REFUSED = """
from hother.cancelable import Cancelable

try:
    {statement}
except ImportError as error:
    print(error)
"""


def verify_types(package: str, environment: Environment) -> dict[str, Any]:
    """Return pyright's report on the public types of an installed package."""
    command = [sys.executable, "-m", "pyright", "--ignoreexternal", "--outputjson", "--verifytypes", package]
    done = subprocess.run(
        command, cwd=environment.empty, env=environment.variables(), capture_output=True, text=True, check=False
    )
    report: dict[str, Any] = json.loads(done.stdout)
    completeness: dict[str, Any] = report["typeCompleteness"]
    return completeness


def test_core_alone_runs_an_operation(core_alone: Environment) -> None:
    """Core needs nothing but its declared dependencies."""
    assert core_alone.run(OPERATION) == "COMPLETED\n"


@pytest.mark.parametrize(("statement", "distribution"), ABSENT.items(), ids=ABSENT.keys())
def test_core_alone_names_the_missing_distribution(core_alone: Environment, statement: str, distribution: str) -> None:
    """Asking core for what a sibling brings says which distribution to install."""
    assert distribution in core_alone.run(REFUSED.format(statement=statement))


def test_everything_runs_an_operation(everything: Environment) -> None:
    """All wheels together work, and each package can be imported."""
    imports = "\n".join(f"import {module}" for module in LIBRARIES)
    assert everything.run(imports + OPERATION) == "COMPLETED\n"


def test_public_types_are_complete(everything: Environment) -> None:
    """A type checker knows every public name of every package, as installed from the wheels."""
    completeness = verify_types("hother.cancelable", everything)
    vague = [each for each in completeness["symbols"] if each["isExported"] and not each["isTypeKnown"]]
    notes = [f"{each['name']}: {note['message']}" for each in vague for note in each["diagnostics"]]
    assert not notes, "\n".join(notes)
    assert completeness["completenessScore"] == 1
    verified = {module["name"] for module in completeness["modules"]}
    assert verified >= set(LIBRARIES)
