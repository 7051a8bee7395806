"""The predecessor, hother-cancelable 0.11.3 from PyPI, measured by the same code in an environment of its own.

As a script it is the program in that environment: it reads paths of rows and writes one round of each, as JSON lines.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

VERSION = "0.11.3"
REQUIREMENTS = (f"hother-cancelable=={VERSION}", "fastapi")
MODULES = ("paths", "crowds", "streams", "asgi")

Former = Callable[[str], Mapping[str, float]]


def environment() -> Path:
    """Return the interpreter of the environment, which is made where there is none yet.

    Raises:
        OSError: If there is no uv.
        subprocess.CalledProcessError: If it cannot be made, for example without Python 3.13 or network.
    """
    folder = Path(tempfile.gettempdir()) / f"hother-cancelable-{VERSION}-for-benchmarks"
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not (folder / "complete").exists():
        for command in (
            ("uv", "venv", "--clear", "--no-project", "--python", "3.13", str(folder)),
            ("uv", "pip", "install", "--compile-bytecode", "--python", str(python), *REQUIREMENTS),
        ):
            subprocess.run(command, check=True, capture_output=True, text=True, env=_environment())
        (folder / "complete").touch()
    return python


def _environment() -> dict[str, str]:
    """Return an environment in which uv sees every interpreter that pyenv has installed."""
    if shutil.which("pyenv") is None:
        return dict(os.environ)
    listed = subprocess.run(("pyenv", "versions", "--bare"), check=True, capture_output=True, text=True).stdout
    return {**os.environ, "PYENV_VERSION": ":".join(reversed(listed.split()))}


@contextmanager
def running() -> Generator[Former]:
    """Run the predecessor; give a function that measures one round of a path, and nothing for what it cannot do.

    Raises:
        OSError: If there is no uv, or it does not start.
        subprocess.CalledProcessError: If its environment cannot be made.
    """
    command = [str(environment()), __file__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        to, answers = process.stdin, process.stdout
        if not answers.readline():
            raise OSError(f"{VERSION} does not start")
        try:
            yield lambda path: ask(to, answers, path)
        finally:
            to.close()
            process.wait()


def ask(to: IO[str], answers: IO[str], path: str) -> Mapping[str, float]:
    """Have one round measured."""
    print(path, file=to, flush=True)
    answer: Mapping[str, float] = json.loads(answers.readline())
    return answer


async def serve() -> None:
    """Be the predecessor: answer until nobody asks any more."""
    import measuring

    measuring.QUIETLY.clear()
    rows = {row.path: row for name in MODULES for row in importlib.import_module(name).ROWS}
    print("ready", flush=True)
    for line in sys.stdin:
        row = rows.get(line.rstrip("\n"))
        answer = {} if row is None else {f"raw beside {VERSION}": await row.raw(), VERSION: await row.ours()}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    import anyio

    anyio.run(serve)
