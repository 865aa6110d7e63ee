"""How far a number can be trusted: intervals over independent units, and paired differences of two systems."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from math import ceil, isnan, log10
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.errors import DataError
from drivetrain.evaluation.intervals import interval, sums_by_unit
from drivetrain.evaluation.tally import Rows, hashable


@dataclass(frozen=True)
class Estimate:
    """A number and where it would lie were the independent units drawn again.

    Attributes:
        value: the number; NaN where there is nothing to divide by.
        low: lower end of the interval; NaN where there is none, as with a single unit.
        high: upper end.
        n: how many samples it rests on.
        units: how many independent units they form; zero where the metric keeps no samples.
    """

    value: float
    low: float
    high: float
    n: int
    units: int

    @property
    def has_interval(self) -> bool:
        """Whether there were units enough, two at least, to say how far the value can be trusted."""
        return not (isnan(self.low) or isnan(self.high))

    def text(self, signed: bool = False) -> str:
        """The value and its interval, with as many decimals as the interval allows: ``0.76 [0.71, 0.80]``."""
        width = self.high - self.low if self.has_interval else 0.0
        decimals = 2 if width <= 0 else min(6, max(0 if width >= 10 else 2, ceil(-log10(width))))
        form = f"{'+' if signed else ''}.{decimals}f"
        ends = f"{self.low:{form}}, {self.high:{form}}" if self.has_interval else "no interval"
        return f"{self.value:{form}} [{ends}]"

    def __str__(self) -> str:
        units = f" in {self.units} units" if self.units not in (0, self.n) else ""
        return f"{self.text()} n={self.n}{units}"


@dataclass(frozen=True)
class Difference(Estimate):
    """First minus second on the same samples; above zero the first has the larger number.

    Attributes:
        higher_is_better: whether a larger number is a better one.
    """

    higher_is_better: bool = True

    def not_worse(self, margin: float) -> bool:
        """Whether the whole interval lies above minus the margin, which is to be stated beforehand, such as 0.02 F1."""
        return self.has_interval and self._lead()[0] > -margin

    def better(self) -> bool:
        """Whether the whole interval lies on the better side of zero."""
        return self.has_interval and self._lead()[0] > 0

    def worse(self) -> bool:
        """Whether the whole interval lies on the worse side of zero."""
        return self.has_interval and self._lead()[1] < 0

    def verdict(self, margin: float) -> str:
        """What may be said of the first: better, not worse by the margin, worse, or undecided."""
        if not self.has_interval:
            return "undecided: too few independent units for an interval"
        if self.better():
            return "better"
        if self.worse():
            return "worse" + (f", by less than {margin:g}" if self.not_worse(margin) else "")
        return f"not worse (margin {margin:g})" if self.not_worse(margin) else f"undecided at margin {margin:g}"

    def __str__(self) -> str:
        units = f" in {self.units} units" if self.units not in (0, self.n) else ""
        return f"{self.text(signed=True)} n={self.n}{units}"

    def _lead(self) -> tuple[float, float]:
        return (self.low, self.high) if self.higher_is_better else (-self.high, -self.low)


def estimate(
    rows: Rows | Sequence[float] | npt.NDArray[Any],
    *,
    units: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
    seed: int = 0,
) -> Estimate:
    """The value of a metric, or the mean of some numbers such as one a seed, with its interval.

    The interval comes from the bootstrap over units, and with few units from Student's t as well; how, says
    ``intervals.interval``. Where all units agree its length is zero, which proves little when they are few.

    Args:
        rows: what a tally collected, or one number a unit.
        units: which independent unit each row belongs to, in place of those of the rows; default: each its own.
        confidence: how often such intervals contain the true number.
        seed: the same seed gives the same interval.
    """
    rows = _as_rows(rows, units)
    sums = sums_by_unit([rows], rows.units)
    low, high = interval(sums, confidence, seed)
    return Estimate(rows.value, low, high, len(rows), len(sums[0]))


def paired_difference(
    first: Rows | Sequence[float] | npt.NDArray[Any],
    second: Rows | Sequence[float] | npt.NDArray[Any],
    *,
    units: Sequence[Hashable] | None = None,
    higher_is_better: bool = True,
    confidence: float = 0.95,
    seed: int = 0,
) -> Difference:
    """How much larger the metric is for the first than for the second, judged on the same samples or seeds.

    Each draw of units is applied to both, so that what is hard for both cancels. The interval is that of ``estimate``.

    Raises:
        DataError: the two were not judged on the same samples in the same order.
    """
    one, other = _as_rows(first, units), _as_rows(second, units)
    if len(one) != len(other):
        raise DataError(f"a paired difference needs the same samples on both sides; found {len(one)} and {len(other)}")
    if one.ids and other.ids and one.ids != other.ids:
        place = next(i for i, (a, b) in enumerate(zip(one.ids, other.ids, strict=True)) if a != b)
        raise DataError(
            f"a paired difference needs the same samples on both sides, in the same order; "
            f"row {place} is {one.ids[place]!r} and {other.ids[place]!r}"
        )
    sums = sums_by_unit([one, other], one.units)
    low, high = interval(sums, confidence, seed)
    return Difference(one.value - other.value, low, high, len(one), len(sums[0]), higher_is_better)


def _as_rows(rows: Rows | Sequence[float] | npt.NDArray[Any], units: Sequence[Hashable] | None) -> Rows:
    if not isinstance(rows, Rows):
        values = np.asarray(rows, dtype=np.float64)
        if values.ndim != 1:
            raise DataError(f"expected one number a unit, found shape {values.shape}")
        rows = Rows(values, np.ones(len(values)), tuple(range(len(values))))
    if units is None:
        return rows
    if len(units) != len(rows):
        raise DataError(f"{len(units)} units are named for {len(rows)} rows; name one a row")
    return Rows(rows.numerators, rows.denominators, tuple(hashable(unit) for unit in units), rows.ids)
