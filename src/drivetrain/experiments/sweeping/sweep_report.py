"""What ``sweep`` answers: the best hyper-parameters of all models together, and how many training runs that took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from drivetrain.evaluation.statistics import Estimate
from drivetrain.report import Report


@dataclass(frozen=True)
class TrainingRun:
    """One training of one model.

    Attributes:
        model: its slot.
        label: of the version it made.
        parameters: its hyper-parameters.
        value: the metric of the best system found that holds this version, on the data of the search.
        best: the metric of the best system after this run.
        seconds: of the training.
    """

    model: str
    label: str
    parameters: dict[str, Any]
    value: float
    best: float
    seconds: float


@dataclass(frozen=True, repr=False)
class SweepReport(Report):
    """The best versions together, and every training run on the way.

    Attributes:
        system: the system's name.
        metric: what was required of the system.
        until: the requirement; None where there was none.
        needed: training runs until the requirement held on the data of the search; None if it never did.
        best: by model the hyper-parameters of its version in the best system.
        value: of that system on the data of the search; chosen for being high, it flatters.
        test: on the test data, used once; empty without test data.
        runs: every training run, the first one first.
        remembered: how many of them were known from an earlier sweep that was stopped.
        evaluations: of whole systems.
        seconds: that all of it took.
    """

    system: str
    metric: str
    until: float | None
    needed: int | None
    best: dict[str, dict[str, Any]]
    value: float
    test: dict[str, Estimate]
    runs: tuple[TrainingRun, ...]
    remembered: int
    evaluations: int
    seconds: float
    _system: Any = None

    def build(self) -> Any:
        """The system with the best versions in its slots."""
        return self._system

    def __rich__(self) -> RenderableType:
        table = Table("model", "hyper-parameters of its version in the best system", "training runs")
        for model, parameters in self.best.items():
            count = sum(run.model == model for run in self.runs)
            words = ", ".join(f"{name} {_short(value)}" for name, value in parameters.items()) or "as declared"
            table.add_row(model, words, str(count))
        return Group(Text(f"{self.system}: {len(self.runs)} training runs towards {self.metric}"), table,
                     *map(Text, self.sentences()))  # fmt: skip

    def sentences(self) -> list[str]:
        """The report in words."""
        said = [f"on the data of the search: {self.metric} {self.value:.4g}"]
        said += [f"on the test data, used once: {name} {found}" for name, found in self.test.items()]
        if self.until is not None:
            said.append(
                f"the requirement, {self.until:g}, held after {self.needed} training runs." if self.needed is not None
                else f"the requirement, {self.until:g}, was not reached in {len(self.runs)} training runs."
            )  # fmt: skip
        known = f", {self.remembered} of the runs known from before" if self.remembered else ""
        return [*said, f"{self.evaluations} systems were evaluated; {self.seconds:.1f} s{known}."]


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
