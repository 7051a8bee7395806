"""The plots of how cost grows, as SVG for the docs page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from growth import Growth, Subject


def draw(subject: Subject, growths: Sequence[Growth], folder: Path) -> Path:
    """Write the plot of a subject; return the file."""
    matplotlib: Any = import_module("matplotlib")  # of the dependency group `bench`
    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": subject.name, "svg.fonttype": "none", "font.size": 9})
    pyplot: Any = import_module("matplotlib.pyplot")
    figure, axes = pyplot.subplots(figsize=(6.4, 3.8), layout="constrained")
    dashes = iter(("--", ":", "-."))
    for growth in growths:
        sizes = sorted(growth.points)
        style = {"marker": "o", "markersize": 3} if growth.curve.ours else {"linestyle": next(dashes), "color": "gray"}
        label = f"{growth.curve.name} (exponent {growth.exponent:.2f})"
        axes.plot(sizes, [growth.points[size] * 1000 for size in sizes], label=label, **style)
    _guide(axes, growths)
    axes.set(xscale="log", yscale="log", title=subject.title, xlabel=subject.axis, ylabel="ms of CPU time")
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.legend(fontsize=8)
    path = folder / f"performance-{subject.name}.svg"
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    pyplot.close(figure)
    return path


def _guide(axes: Any, growths: Iterable[Growth]) -> None:
    """Add a thin line that shows what linear looks like, from the largest point down."""
    points = [(size, took) for growth in growths for size, took in growth.points.items()]
    largest, slowest = max(points)
    smallest = min(size for size, _ in points)
    ends = [smallest, largest]
    axes.plot(ends, [slowest * 1000 * size / largest for size in ends], color="silver", linewidth=0.8, label="linear")
