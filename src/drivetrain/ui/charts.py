"""What Plotly draws, as plain data: curves with intervals, and cost against quality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from scipy.special import stdtrit

# Okabe and Ito 2008, "Color universal design": told apart by people who see colours differently, too.
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8a7d00", "#7a7a7a")


@dataclass(frozen=True)
class Point:
    """A mean with its 95 % interval (Student's t over runs); None where there is one run alone."""

    step: int
    mean: float
    low: float | None
    high: float | None
    runs: int


def mean_of(values: Sequence[float]) -> tuple[float, float | None, float | None]:
    """The mean of some runs with its 95 % interval."""
    middle = fmean(values)
    if len(values) < 2:
        return middle, None, None
    half = float(stdtrit(len(values) - 1, 0.975)) * stdev(values) / len(values) ** 0.5
    return middle, middle - half, middle + half


def curve(runs: Sequence[Sequence[tuple[int, float]]]) -> list[Point]:
    """The mean over runs at every step that all of them have (of the rest nobody knows whom it is missing)."""
    steps = sorted(set.intersection(*({step for step, _ in run} for run in runs))) if runs else []
    by_run = [dict(run) for run in runs]
    points = []
    for step in steps:
        values = [run[step] for run in by_run if run[step] == run[step]]
        if len(values) == len(by_run):
            points.append(Point(step, *mean_of(values), runs=len(values)))
    return points


def curves(named: Mapping[str, Sequence[Point]], across: str, up: str) -> dict[str, Any]:
    """A line for each name, with a band where it has an interval."""
    data: list[dict[str, Any]] = []
    for place, (name, points) in enumerate(named.items()):
        colour = COLOURS[place % len(COLOURS)]
        banded = [point for point in points if point.low is not None]
        if banded:
            data.append({
                "x": [p.step for p in banded] + [p.step for p in reversed(banded)],
                "y": [p.high for p in banded] + [p.low for p in reversed(banded)],
                "fill": "toself", "fillcolor": f"{colour}30", "line": {"width": 0}, "hoverinfo": "skip",
                "showlegend": False, "legendgroup": name, "type": "scatter", "mode": "lines",
            })  # fmt: skip
        data.append({
            "x": [p.step for p in points], "y": [p.mean for p in points], "name": name, "legendgroup": name,
            "type": "scatter", "mode": "lines+markers" if len(points) < 30 else "lines",
            "line": {"color": colour, "width": 2.2}, "marker": {"size": 5},
        })  # fmt: skip
    return {"data": data, "layout": {**_titles(across, up), "hovermode": "x unified", "legend": _LEGEND}}


def clouds(named: Mapping[str, Sequence[tuple[float, float, str]]], across: str, up: str) -> dict[str, Any]:
    """Points (x, y, words) of each name."""
    data = [
        {
            "x": [x for x, _, _ in points], "y": [y for _, y, _ in points], "text": [words for *_, words in points],
            "name": name, "type": "scatter", "mode": "markers", "hovertemplate": "%{text}<br>%{x:.4g}, %{y:.4g}",
            "marker": {"size": 10, "color": COLOURS[place % len(COLOURS)], "line": {"width": 1, "color": "#ffffff"}},
        }
        for place, (name, points) in enumerate(named.items())
    ]  # fmt: skip
    return {"data": data, "layout": {**_titles(across, up), "legend": _LEGEND}}


_LEGEND = {"orientation": "h", "y": 1.12, "x": 0}


def _titles(across: str, up: str) -> dict[str, Any]:
    return {"xaxis": {"title": {"text": across}}, "yaxis": {"title": {"text": up}}}
