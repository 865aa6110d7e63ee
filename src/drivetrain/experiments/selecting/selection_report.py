"""What ``select`` answers: the best combination, what was evaluated, how far from the best it may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from drivetrain.evaluation.statistics import Difference, Estimate
from drivetrain.experiments.versions.candidates import Candidates, Combination
from drivetrain.report import Report, plain

SHOWN = 8
"""Rows and slots of a report for people; the dict holds all."""


@dataclass(frozen=True)
class Regret:
    """How far the best combination found may be below the best there is, in units of the metric, on the same data.

    Attributes:
        expected: zero where every combination was evaluated; NaN where too little is known to say.
        high: what it stays below in 95 of 100 cases, if the model of the values is right.
        how: in words, what that rests on.
    """

    expected: float
    high: float
    how: str


@dataclass(frozen=True)
class Tried:
    """One evaluated combination.

    Attributes:
        versions: the labels by slot.
        values: by metric.
        costs: by objective.
    """

    versions: dict[str, str]
    values: dict[str, float]
    costs: dict[str, float]


@dataclass(frozen=True, repr=False)
class SelectionReport(Report):
    """The best combination and everything that was evaluated on the way.

    Attributes:
        system: the system's name.
        metric: the metric that was searched for, the first one.
        higher_is_better: of that metric.
        best: the labels of the best versions by slot.
        value: the metric of the best combination on the data of the search, with its interval; chosen for being high,
            it flatters.
        test: each metric of the best combination on the test data; empty without test data.
        gain: on the test data, or else on the data of the search, the best combination minus the first versions.
        tried: every evaluated combination, the best first.
        fronts: for each objective the combinations that no other beats in the metric and in it, the best metric first.
        regret: how far from the best it may be.
        combinations: how many there are.
        evaluations: how many were run now.
        remembered: how many were known from an earlier search.
        passes: for each slot how often a version was run over the whole data; without reuse it were ``evaluations``.
        seconds: what the search took.
        strategy: its name.
        stopped: why it ended before the strategy did; empty where it did not.
        remarks: what a reader must know, in sentences.
    """

    system: str
    metric: str
    higher_is_better: bool
    best: dict[str, str]
    value: Estimate
    test: dict[str, Estimate]
    gain: Difference | None
    tried: tuple[Tried, ...]
    fronts: dict[str, tuple[Tried, ...]]
    regret: Regret
    combinations: int
    evaluations: int
    remembered: int
    passes: dict[str, float]
    seconds: float
    strategy: str
    stopped: str
    remarks: tuple[str, ...]
    _candidates: Candidates | None = None

    @property
    def combination(self) -> Combination:
        """The best versions as places in their slots."""
        assert self._candidates is not None
        return self._candidates.combination(self.best)

    def build(self) -> Any:
        """The system with the best versions in its slots."""
        assert self._candidates is not None
        return self._candidates.build(self.best)

    @property
    def untried(self) -> int:
        """How many combinations were not evaluated."""
        return self.combinations - len(self.tried)

    def to_dict(self) -> dict[str, Any]:
        """Everything, for programs."""
        return {**super().to_dict(), "untried": self.untried, "gain": plain(self.gain)}

    def __rich__(self) -> RenderableType:
        found = Text(f"{self.system}: best of {len(self.tried)} of {self.combinations:,} combinations by {self.metric}")
        top = Table(*self.best, self.metric, *self._columns())
        for one in self.tried[:SHOWN]:
            top.add_row(*one.versions.values(), *self._cells(one))
        rest = len(self.tried) - SHOWN
        lines = [f"and {rest} more that were evaluated; {self.untried:,} were not."] if rest > 0 else []
        parts: list[RenderableType] = [found, top, *map(Text, [*lines, *self.sentences()])]
        for objective, front in self.fronts.items():
            title = Text(f"no evaluated combination beats these in {self.metric} and {objective}")
            table = Table(*self.best, self.metric, *self._columns())
            for one in front[:10]:
                table.add_row(*one.versions.values(), *self._cells(one))
            parts += [title, table]
        return Group(*parts)

    def sentences(self) -> list[str]:
        """The report in words."""
        said = [f"chosen on the data of the search: {self.metric} {self.value}"]
        said += [f"on the test data, used once: {name} {found}" for name, found in self.test.items()]
        if self.gain is not None:
            said.append(f"minus the first versions, on the {'test data' if self.test else 'same data'}: {self.gain}")
        if isnan(self.regret.expected):
            said.append(f"regret: {self.regret.how}")
        else:
            said.append(
                f"regret: expected {self.regret.expected:.2g}, below {self.regret.high:.2g} in 95 of 100 cases; "
                f"{self.regret.how}"
            )
        most = sorted(self.passes, key=lambda slot: -self.passes[slot])[:SHOWN]
        passes = ", ".join(f"{slot} {self.passes[slot]:.1f}" for slot in self.passes if slot in most)
        if len(self.passes) > SHOWN:
            passes += f"; of the other {len(self.passes) - SHOWN} at most {self.passes[most[-1]]:.1f} each"
        known = f", {self.remembered} known from before" if self.remembered else ""
        said.append(
            f"{self.strategy}: {self.evaluations} evaluations in {self.seconds:.1f} s{known}; "
            f"passes over the data by component: {passes}"
        )
        if self.stopped:
            said.append(self.stopped)
        return [*said, *self.remarks]

    def _columns(self) -> list[str]:
        first = self.tried[0]
        return [*(name for name in first.values if name != self.metric), *first.costs]

    def _cells(self, one: Tried) -> list[str]:
        values: Mapping[str, float] = {**one.values, **one.costs}
        return [f"{values[name]:.4g}" for name in (self.metric, *self._columns())]
