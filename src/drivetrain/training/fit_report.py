"""What ``fit`` tells: what training did to the system and to each edge, what it cost, and the verdict in words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from drivetrain.data import Ledger
from drivetrain.evaluation.change import Change, number
from drivetrain.evaluation.swapping import Swap
from drivetrain.report import Report
from drivetrain.training.gap import Gap
from drivetrain.training.merged_branches import MergedBranch, merged_words


class PassCount(NamedTuple):
    """Batches that went through a model in training; validation and what ``perturb`` runs are not counted."""

    forward: int
    backward: int


@dataclass(frozen=True, repr=False)
class FitReport(Report):
    """The answer of ``fit``; the system itself was trained in place.

    Attributes:
        pattern: the training pattern in words.
        system: the system's name.
        history: one row per epoch (``epoch`` 0 is before training): ``stage``, ``epoch``, ``iteration``, ``seconds``,
            ``loss``, the terms of the loss, and ``validation <metric>``.
        iterations: updates made, over all models.
        updates: updates of each model.
        seconds: time spent training and validating.
        passes: batches forward and backward through each model.
        labels: the label ledger.
        edges: what happened to each metric, by its name (the edge where it has one).
        gaps: how much better each measure is on training than on validation data, before and after.
        branches: by measure, what a federated merge did to each branch.
        inner: what became of inner edges since the individual stage, where one came before others.
        swaps: what putting back each model from the end of that stage costs the system.
        measured_on: the samples on which edges were measured.
        outputs: the system's output edges.
        kept: for each stage, the epoch whose weights were kept (0: those from before training; None: the last).
        notes: what a careful reader should know.
        protected: by measure how much worse it was allowed to become.
        reached: whether ``until`` was reached; None if it was not asked for.
    """

    pattern: str
    system: str
    history: list[dict[str, Any]]
    iterations: int
    updates: dict[str, int]
    seconds: float
    passes: dict[str, PassCount]
    labels: Ledger
    edges: dict[str, Change]
    measured_on: str
    outputs: tuple[str, ...]
    gaps: dict[str, Gap] = field(default_factory=dict)
    branches: dict[str, MergedBranch] = field(default_factory=dict)
    inner: dict[str, Change] = field(default_factory=dict)
    swaps: tuple[Swap, ...] = ()
    kept: tuple[dict[str, int | None], ...] = ()
    notes: tuple[str, ...] = ()
    reached: bool | None = None
    protected: dict[str, float] = field(default_factory=dict)
    seed: int = 0
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """What this training did to the system, in words."""
        return " ".join([*self._outcome(), *merged_words(self.branches), *self._perils(), *self.notes])

    def to_dict(self) -> dict[str, Any]:
        return {**super().to_dict(), "labels": self.labels.to_dict(), "verdict": self.verdict}

    def __rich__(self) -> RenderableType:
        edges = Table(
            "edge",
            "metric",
            "before",
            "after",
            "",
            "train - validation",
            title=f"{self.system}: {self.pattern}",
            title_justify="left",
        )
        for name, change in self.edges.items():
            gap = f"{number(self.gaps[name].before)} -> {number(self.gaps[name].after)}" if name in self.gaps else ""
            word = {True: "better", False: "WORSE", None: ""}[change.better]
            edges.add_row(change.edge, change.metric, number(change.before), number(change.after), word, gap)
        cost = Table("model", "updates", "forward", "backward")
        for model, count in self.passes.items():
            cost.add_row(model, str(self.updates.get(model, 0)), str(count.forward), str(count.backward))
        both = Table("branch", "trunk of its chain", "merged trunk", "after its refit")
        for name, branch in self.branches.items():
            refit = "-" if branch.refitted is None else number(branch.refitted)
            both.add_row(name, number(branch.own), number(branch.merged), refit)
        facts = f"{self.iterations} iterations in {self.seconds:.1f} s; labels read: {self.labels}"
        parts: list[RenderableType] = [edges] if self.edges else [Text(f"{self.system}: {self.pattern}")]
        parts += [both] if self.branches else []
        return Group(*parts, cost, Text(facts), Text(self.verdict))

    def _outcome(self) -> list[str]:
        ends = [change for change in self.edges.values() if change.edge in self.outputs]
        if not ends:
            return [
                f"{self.pattern.capitalize()} ran {self.iterations} iterations; "
                f"what it did to the output was not measured."
            ]
        return [f"{self.pattern.capitalize()}{_words(change)} ({self.measured_on})." for change in ends]

    def _perils(self) -> list[str]:
        perils = []
        inner = [change for change in self.edges.values() if change.edge not in self.outputs]
        ends = [change for change in self.edges.values() if change.edge in self.outputs]
        worse = [change for change in inner if change.better is False]
        better = [change for change in inner if change.better]
        if worse:
            names = ", ".join(f"{c.edge} ({c.metric} {number(c.before)} -> {number(c.after)})" for c in worse)
            perils.append(
                f"Inner edges moved away from their truth: {names}; models may rely on each other there, and "
                f"drivetrain.evaluation.co_adaptation measures whether they can still be swapped one by one."
                if any(change.better for change in ends)
                else f"Inner edges became worse: {names}."
            )
        if better and any(change.better is False for change in ends):
            perils.append(f"A better {', '.join(c.edge for c in better)} made the system worse.")
        for stage, chosen in enumerate(self.kept, 1):
            unmoved = ", ".join(name for name, epoch in chosen.items() if epoch == 0)
            if unmoved and not self.reached:
                where = f" in stage {stage}" if len(self.kept) > 1 else ""
                allowed = " that kept what is protected" if self.protected else ""
                perils.append(
                    f"No epoch{allowed}{where} was better on validation than the start, whose weights were kept: "
                    f"{unmoved}."
                )
        if self.reached is False:
            perils.append("The required quality was not reached.")
        return perils


def _words(change: Change) -> str:
    verb = {True: " improved ", False: " made worse ", None: " left without clear change "}[change.better]
    return f"{verb}{change.edge}: {change.words}"
