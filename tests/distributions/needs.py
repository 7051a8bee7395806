"""Programs that a test needs and that a machine may lack."""

import os
import shutil

import pytest


def program(name: str) -> str:
    """Return the path of a program; without it skip the test, or fail it where `CI` is set."""
    # uv tells the processes it starts where it is, which helps when it is not on PATH.
    path = os.environ.get(name.upper()) or shutil.which(name)
    if path is not None:
        return path
    missing = f"this test needs the program {name}, which is not on PATH"
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)
