"""ResourceConditionSource: limits that make no sense are refused when the source is made."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import pytest

from hother.cancelable.sources import ResourceConditionSource

NEEDS_PSUTIL = "resources are measured with psutil, which is not installed"
PERCENTAGES = ["memory_percent", "cpu_percent", "disk_percent"]


def _short(value: object) -> str:
    return repr(value)[:10]


@pytest.mark.parametrize("name", PERCENTAGES)
@pytest.mark.parametrize("value", [0, -1, 100.1, math.nan, math.inf, 10**400, -(10**400)], ids=_short)
def test_a_percentage_out_of_range(name: str, value: Any) -> None:
    """More than 0 and at most 100; the error names the argument and its value."""
    pytest.importorskip("psutil", reason=NEEDS_PSUTIL)
    with pytest.raises(ValueError, match=f"{name} must be more than 0 and at most 100, not {value!r}"):
        ResourceConditionSource(**dict[str, Any]({name: value}))


@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, 10**400, -(10**400)], ids=_short)
def test_a_size_out_of_range(value: float) -> None:
    """A number of bytes that is more than zero, and finite."""
    pytest.importorskip("psutil", reason=NEEDS_PSUTIL)
    with pytest.raises(ValueError, match=f"process_rss must be a number of bytes.*{value!r}"):
        ResourceConditionSource(process_rss=value)


@pytest.mark.parametrize("name", [*PERCENTAGES, "process_rss"])
@pytest.mark.parametrize("value", [True, "90", b"80", [1]], ids=repr)
def test_a_limit_that_is_no_number(name: str, value: Any) -> None:
    """The error names the argument and its value."""
    pytest.importorskip("psutil", reason=NEEDS_PSUTIL)
    with pytest.raises(TypeError, match=f"{name} must be a number"):
        ResourceConditionSource(**dict[str, Any]({name: value}))


def test_no_limit_at_all() -> None:
    """A source that could never fire is a mistake."""
    pytest.importorskip("psutil", reason=NEEDS_PSUTIL)
    with pytest.raises(ValueError, match="needs a limit: memory_percent, cpu_percent, disk_percent or process_rss"):
        ResourceConditionSource()


@pytest.mark.parametrize("name", ["sustained", "check_interval"])
def test_times_that_are_none(name: str) -> None:
    """They are more than zero seconds."""
    pytest.importorskip("psutil", reason=NEEDS_PSUTIL)
    wrong: list[Any] = [0, -1, math.nan]
    for value in wrong:
        with pytest.raises(ValueError, match=f"{name} must be more than zero seconds"):
            ResourceConditionSource(memory_percent=90, **dict[str, Any]({name: value}))
    with pytest.raises(TypeError, match=f"{name} must be a number of seconds or a timedelta"):
        ResourceConditionSource(memory_percent=90, **dict[str, Any]({name: wrong}))


def test_a_disk_that_does_not_exist(tmp_path: Path) -> None:
    """The error names the path."""
    pytest.importorskip("psutil", reason=NEEDS_PSUTIL)
    for path in (tmp_path / "nowhere", str(tmp_path / "nowhere")):
        with pytest.raises(FileNotFoundError, match=r"disk_path does not exist: .*nowhere"):
            ResourceConditionSource(disk_percent=90, disk_path=path)
    with pytest.raises(FileNotFoundError, match="disk_path does not exist"):
        ResourceConditionSource(disk_percent=90, disk_path="a\0b")


@pytest.mark.parametrize("path", [b"/", 1, None])
def test_a_disk_that_is_no_path(path: Any) -> None:
    """A path is a str, or something like pathlib's."""
    pytest.importorskip("psutil", reason=NEEDS_PSUTIL)
    with pytest.raises(TypeError, match="disk_path must be a str or a path"):
        ResourceConditionSource(disk_percent=90, disk_path=path)


def test_without_psutil(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install, as soon as the source is made."""
    monkeypatch.setitem(sys.modules, "psutil", None)
    with pytest.raises(
        ImportError,
        match=r'ResourceConditionSource needs psutil: pip install "hother-cancelable-sources\[resources\]"',
    ) as caught:
        ResourceConditionSource(memory_percent=90)
    assert caught.value.name == "psutil"
