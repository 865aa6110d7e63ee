"""The gap between training and validation data on each edge: the overfitting of trunk and branches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt

from drivetrain.evaluation.change import Change, number
from drivetrain.evaluation.statistics import Estimate
from drivetrain.graph import System
from drivetrain.graph.topology import FORKING


@dataclass(frozen=True)
class Gap:
    """How much better an edge is on training than on validation data, in the unit of its metric.

    Attributes:
        edge: where.
        metric: what was measured.
        before: the gap before training.
        after: the gap of the weights that were kept.
        growth: after minus before, with an interval where the metric keeps samples.
    """

    edge: str
    metric: str
    before: float
    after: float
    growth: Estimate | None = None

    @property
    def grew(self) -> bool:
        """Whether it surely did."""
        return self.growth is not None and self.growth.has_interval and self.growth.low > 0

    def __str__(self) -> str:
        grown = "" if self.growth is None else f", growth {self.growth.text(signed=True)}"
        return f"{self.edge} ({self.metric} {number(self.before)} -> {number(self.after)}{grown})"


def gaps(training: Mapping[str, Change], validation: Mapping[str, Change]) -> dict[str, Gap]:
    """The gap on every measure that both data sets have.

    The interval of its growth comes from those of the two paired differences, which are independent of each other, by
    the method of variance estimates recovery (Zou and Donner 2008, "Construction of confidence limits about effect
    measures: a general approach", eq. 4).
    """
    return {name: _gap(training[name], seen) for name, seen in validation.items() if name in training}


def gap_words(system: System, found: Mapping[str, Gap], updates: Mapping[str, int]) -> list[str]:
    """Where the gap surely grew, and which trunks were updated more often than their branches, in a sentence."""
    grown = [str(gap) for gap in found.values() if gap.grew]
    if not grown:
        return []
    text = f"The gap between training and validation data grew: {'; '.join(grown)}"
    for fork in (found for found in system.patterns if found.pattern == FORKING):
        often = [updates.get(name, 0) for name in fork.models]
        if 0 < max(often) < updates.get(fork.at, 0):
            counts = ", ".join(f"{name} {count}" for name, count in zip(fork.models, often, strict=True))
            text += f". The trunk {fork.at} was updated {updates[fork.at]} times, its branches less often ({counts})"
    return [f"{text}."]


def _gap(training: Change, validation: Change) -> Gap:
    sign = 1 if validation.higher_is_better else -1
    before = sign * (training.before - validation.before)
    after = sign * (training.after - validation.after)
    growth = None
    if training.difference is not None and validation.difference is not None:
        growth = _difference(_signed(training.difference, sign), _signed(validation.difference, sign))
    return Gap(validation.edge, validation.metric, before, after, growth)


def _signed(found: Estimate, sign: int) -> Estimate:
    if sign > 0:
        return found
    return Estimate(-found.value, -found.high, -found.low, found.n, found.units)


def _difference(one: Estimate, other: Estimate) -> Estimate:
    value = one.value - other.value
    low = value - sqrt((one.value - one.low) ** 2 + (other.high - other.value) ** 2)
    high = value + sqrt((one.high - one.value) ** 2 + (other.value - other.low) ** 2)
    return Estimate(value, low, high, one.n + other.n, one.units + other.units)
