"""Training curves of several patterns in one figure, told apart by colour, line and marker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import isfinite
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import matplotlib.figure

# Okabe, Ito 2008, "Color Universal Design": told apart by colour-blind readers too; the yellow is too pale for lines.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
LINES = ("-", "--", "-.", (0, (1, 1.2)), (0, (5, 1, 1, 1, 1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def curves(
    histories: Mapping[str, Sequence[Mapping[str, Any]]],
    *,
    y: str | Sequence[str] = "loss",
    x: str | Sequence[str] = "epoch",
    best: str | None = None,
) -> matplotlib.figure.Figure:
    """The histories of several trainings, by name: ``{"individual": report.history, ...}``.

    Args:
        histories: rows as ``fit`` reports them; a row that lacks the column is left out.
        y: the column, or several, one panel below the other: ``"validation cones"``.
        x: the column, or several, one panel beside the other: ``"epoch"``, ``"iteration"``, ``"seconds"``.
        best: ``"max"`` or ``"min"`` marks each curve's best point.

    Raises:
        ValueError: no history has such a column; the message lists those there are.
    """
    from matplotlib.figure import Figure

    columns, rows = _several(x), _several(y)
    for column in (*columns, *rows):
        _check_column(column, histories)
    drawn = Figure(figsize=(5.2 * len(columns) + 0.6, 3.4 * len(rows) + 0.7), layout="constrained")
    panels = drawn.subplots(len(rows), len(columns), squeeze=False, sharey="row")
    for down, vertical in enumerate(rows):
        for right, horizontal in enumerate(columns):
            panel = panels[down][right]
            for index, (name, history) in enumerate(histories.items()):
                _curve(panel, index, name, _points(history, horizontal, vertical), best)
            _decorate(panel, horizontal if down == len(rows) - 1 else "", vertical if right == 0 else "")
    handles, names = panels[0][0].get_legend_handles_labels()
    drawn.legend(
        handles, names, loc="outside upper center", ncols=min(3, max(len(names), 1)), frameon=False, handlelength=3.2
    )
    return drawn


def _several(names: str | Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _check_column(column: str, histories: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    known = dict.fromkeys(key for history in histories.values() for row in history for key in row)
    if column not in known:
        raise ValueError(f"no history has a column '{column}'; they have: {', '.join(map(str, known)) or 'no rows'}")


def _points(history: Sequence[Mapping[str, Any]], x: str, y: str) -> tuple[list[float], list[float]]:
    rows = [row for row in history if _number(row.get(x)) and _number(row.get(y))]
    places = [float(row[x]) for row in rows]
    if any(later < earlier for earlier, later in pairwise(places)):
        places = [float(index) for index in range(len(rows))]  # epochs count from the start again in each stage
    return places, [float(row[y]) for row in rows]


def _number(value: object) -> bool:
    return isinstance(value, int | float) and isfinite(value)


def _curve(panel: Any, index: int, name: str, points: tuple[list[float], list[float]], best: str | None) -> None:
    places, values = points
    colour, marker = COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]
    style = LINES[index % len(LINES)]
    every = max(1, len(places) // 8)
    panel.plot(
        places, values, color=colour, linestyle=style, marker=marker, markevery=every, markersize=4.5, label=name
    )
    if best and values:
        chosen = (max if best == "max" else min)(range(len(values)), key=values.__getitem__)
        panel.plot(
            places[chosen], values[chosen], marker=marker, markersize=10, color=colour, fillstyle="none", mew=1.6
        )


def _decorate(panel: Any, x: str, y: str) -> None:
    panel.set_xlabel(x)
    panel.set_ylabel(y)
    panel.grid(color="#e3e3e3", linewidth=0.8)
    panel.set_axisbelow(True)
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)
