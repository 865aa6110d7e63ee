"""What became of one edge: two measurements of it, and what lies between them."""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan

from drivetrain.evaluation.metrics import Metric
from drivetrain.evaluation.statistics import Estimate, paired_difference
from drivetrain.evaluation.tally import Rows

NOTICEABLE = 0.05
"""The relative change from which on a measure without an interval counts as a change."""


@dataclass(frozen=True)
class Measurement:
    """The metrics at one moment.

    Attributes:
        values: value by metric name (``"cones"``, or ``"cones.f1"``).
        rows: what each sample contributed, where the metric keeps samples.
    """

    values: dict[str, float]
    rows: dict[str, Rows]


@dataclass(frozen=True)
class Change:
    """What became of one edge, by training or by another model in some place.

    Attributes:
        metric: what was measured; ``"loss"`` or ``"mean squared error"`` where no metric was given for the edge.
        before: its value at first.
        after: its value then.
        higher_is_better: which way is up.
        difference: paired over the samples, with an interval, where the metric keeps samples.
    """

    edge: str
    metric: str
    before: float
    after: float
    higher_is_better: bool
    difference: Estimate | None = None

    @property
    def better(self) -> bool | None:
        """True or False where the edge surely changed for better or worse; None where that is within the noise."""
        if isnan(self.before) or isnan(self.after) or self.before == self.after:
            return None
        if self.difference is not None and self.difference.low <= 0 <= self.difference.high:
            return None
        if self.difference is None and abs(self.after - self.before) <= NOTICEABLE * abs(self.before):
            return None
        return (self.after > self.before) == self.higher_is_better

    @property
    def words(self) -> str:
        """The values and, where there is one, the difference with its interval."""
        text = f"{self.metric} {number(self.before)} -> {number(self.after)}"
        return text if self.difference is None else f"{text}, difference {self.difference.text(signed=True)}"

    def __str__(self) -> str:
        word = {True: "better", False: "worse", None: "no clear change"}[self.better]
        return f"{self.edge}: {self.metric} {self.before:.3g} -> {self.after:.3g} ({word})"


def change(name: str, metric: Metric | None, before: Measurement, after: Measurement) -> Change:
    """What lies between two measurements, under one name: a metric's, or ``"light: loss"`` where there is none."""
    if metric is None:
        edge, _, what = name.partition(": ")
        return Change(edge, what, before.values[name], after.values[name], higher_is_better=False)
    difference = None
    if name in before.rows and name in after.rows:
        difference = paired_difference(after.rows[name], before.rows[name], higher_is_better=metric.higher_is_better)
    values = before.values[name], after.values[name]
    return Change(str(metric.edge), metric.name, *values, metric.higher_is_better, difference)


def number(value: float) -> str:
    """A value as a table shows it."""
    return "-" if isnan(value) else f"{value:z.3f}" if abs(value) < 100 else f"{value:.1f}"
