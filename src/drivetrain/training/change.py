"""What training did to one edge: two measurements of it, and what lies between them."""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan

from drivetrain.evaluation.statistics import Estimate
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
    """What training did to one edge.

    Attributes:
        metric: what was measured; ``"loss"`` or ``"mean squared error"`` where no metric was given for the edge.
        before: its value before training.
        after: its value with the weights that were kept.
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

    def __str__(self) -> str:
        word = {True: "better", False: "worse", None: "no clear change"}[self.better]
        return f"{self.edge}: {self.metric} {self.before:.3g} -> {self.after:.3g} ({word})"
