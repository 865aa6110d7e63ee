"""Chooses each arm's settings on layouts left out inside the training layouts, and asks what it took to get there."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from examples.race_car.real.dataset import layout_of

from .arms import ARMS, BASELINE, MODELS
from .trial import CAUTIONS, RATES, Choice, Row

MARGIN = 0.02  # F1 that counts as not worse; stated before the first trial


def f1(tallies: Sequence[Sequence[float]]) -> float:
    """F1 of sums (right, predictions, cones in view, ...), added up before dividing."""
    total = np.sum(np.array(tallies, dtype=float).reshape(-1, 5), axis=0)
    return float(2 * total[0] / (total[1] + total[2])) if total[1] + total[2] else 0.0


class Choices:
    """The rows of the inner trainings, asked for the layout that is left out outside."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = {(row["arm"], row["rate"], frozenset(row["pair"])): row for row in rows if row["kind"] == "inner"}

    def of(self, arm: str, layout: str) -> Choice:
        """Learning rate, epoch and caution with the best F1 on the other layouts, each left out in turn.

        `layout` has no part in it: of a training that left out it and another, only the other's sessions are asked.
        """
        settings = [(rate, point) for rate in RATES for point in range(self._points(arm, layout))]
        if ARMS[arm].selected_by == "system":
            (rate, point), caution = max(
                product(settings, CAUTIONS), key=lambda s: self.inner_f1(arm, layout, s[0][0], s[0][1], s[1])
            )
            epoch = self._inner(arm, layout, rate)[0][1]["points"][point]["epoch"]
            models = MODELS.values()
            return Choice(dict.fromkeys(models, rate), dict.fromkeys(models, epoch), caution)
        rates, epochs, points = {}, {}, {}
        for edge, model in MODELS.items():
            rate, point = max(settings, key=lambda s: self._own(arm, layout, s[0], s[1], f"own {edge}"))
            rates[model], points[model] = rate, point
            epochs[model] = self._inner(arm, layout, rate)[0][1]["points"][point]["epoch"]
        caution = max(CAUTIONS, key=lambda c: self.inner_f1(arm, layout, rates["lidar"], points["lidar"], c))
        return Choice(rates, epochs, caution)

    def inner_f1(self, arm: str, layout: str, rate: float, point: int, caution: float) -> float:
        """F1 on the layouts other than `layout`, each by the training that left out both."""
        found = []
        for other, row in self._inner(arm, layout, rate):
            tallies = row["points"][point]["tallies"][str(caution)]
            found += [values for session, values in tallies.items() if layout_of(session) == other]
        return f1(found)

    def to_target(self, arm: str, layout: str, price: Any) -> float:
        """What an arm's training costs until it comes within the margin of individual training's best; inf for never.

        Judged inside the training layouts, at the learning rate that the arm has chosen; the price is asked of each
        checkpoint and averaged over trainings.
        """
        target = max(self._best(BASELINE, layout)) - MARGIN
        rate = self.of(_trained_for_system(arm), layout).rates["lidar"]
        for point in range(self._points(arm, layout)):
            if max(self.inner_f1(arm, layout, rate, point, caution) for caution in CAUTIONS) >= target:
                return float(np.mean([price(row["points"][point]) for _, row in self._inner(arm, layout, rate)]))
        return float("inf")

    def _best(self, arm: str, layout: str) -> list[float]:
        points = range(self._points(arm, layout))
        return [self.inner_f1(arm, layout, *setting) for setting in product(RATES, points, CAUTIONS)]

    def _own(self, arm: str, layout: str, rate: float, point: int, score: str) -> float:
        return float(np.mean([row["points"][point][score] for _, row in self._inner(arm, layout, rate)]))

    def _points(self, arm: str, layout: str) -> int:
        return len(self._inner(arm, layout, RATES[0])[0][1]["points"])

    def _inner(self, arm: str, layout: str, rate: float) -> list[tuple[str, Row]]:
        """The other layouts, each with the training that left out both."""
        name = next(name for name, other in ARMS.items() if other.pattern is ARMS[arm].pattern)
        return [
            (next(iter(pair - {layout})), row)
            for (trained, tried, pair), row in self.rows.items()
            if trained == name and tried == rate and layout in pair
        ]


def _trained_for_system(arm: str) -> str:
    """The arm of the same training whose settings the system metric chooses."""
    pattern = ARMS[arm].pattern
    return next(n for n, other in ARMS.items() if other.pattern is pattern and other.selected_by == "system")
