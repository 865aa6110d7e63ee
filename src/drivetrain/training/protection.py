"""The promise to the owners of other branches: what training may make worse, and by how much at most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite, isnan
from typing import Any

from drivetrain.errors import DataError, DeclarationError, listed
from drivetrain.evaluation.change import Change, Measurement
from drivetrain.evaluation.metrics import Metric
from drivetrain.graph import System
from drivetrain.training.base import Track
from drivetrain.training.branches import branch_ends

KEPT, UNSURE, BROKEN = "kept", "unsure", "broken"
"""Within the margin; within it by the value, though not by the interval; beyond it."""


@dataclass(frozen=True)
class Protection:
    """What must not become worse, judged on validation data against the weights from before training.

    Attributes:
        margins: by the name of the measure (a metric's, or ``"sign: loss"``) how much worse it may become, in its unit.
        losses: the edges that are judged by the pattern's loss, as they have no metric.
    """

    margins: Mapping[str, float] = field(default_factory=dict)
    losses: tuple[str, ...] = ()

    def judge(self, changes: Mapping[str, Change]) -> dict[str, str]:
        """For each protected measure whether it is kept, broken, or kept with too little data to be sure of it."""
        return {name: _judged(changes[name], margin) for name, margin in self.margins.items() if name in changes}

    def allows(self, judged: Mapping[str, str]) -> bool:
        """Whether weights may be kept."""
        return all(found == KEPT for found in judged.values())

    def check(self, before: Measurement) -> None:
        """Refuse to start where a protected measure could not be taken.

        Raises:
            DataError: the validation data has no sample with its truth.
        """
        lost = [name for name in self.margins if isnan(before.values.get(name, float("nan")))]
        if lost:
            raise DataError(
                f"protect: {listed(lost)} could not be measured before training: no sample of the validation data has "
                f"its truth and the inputs before it, or the metric found nothing to divide by"
            )

    def words(self, history: Sequence[Mapping[str, Any]], changes: Mapping[str, Change]) -> list[str]:
        """What became of the promise, in sentences."""
        if not self.margins:
            return []
        said = [self._ended(name, changes[name]) for name in self.margins if name in changes]
        judged = [row["protected"] for row in history if row["epoch"] and "protected" in row]
        refused = [each for each in judged if not self.allows(each)]
        if refused:
            broken = Counter(name for each in refused for name, found in each.items() if found == BROKEN)
            unsure = Counter(name for each in refused for name, found in each.items() if found == UNSURE)
            why = [f"beyond the margin: {_counts(broken)}"] if broken else []
            why += [f"within it, but the interval reaches beyond: {_counts(unsure)}"] if unsure else []
            more = "; more validation data would tell" if unsure else ""
            said.append(f"Weights of {len(refused)} of {len(judged)} epochs were refused ({'; '.join(why)}{more}).")
        return said

    def _ended(self, name: str, change: Change) -> str:
        margin = self.margins[name]
        if _judged(change, margin) == KEPT:
            return f"{change.edge} was protected and is at most {margin:g} worse on validation ({change.words})."
        return (
            f"{change.edge.upper()} IS NOT WITHIN ITS MARGIN of {margin:g} ({change.words}), though the weights were "
            f"when they were chosen: the validation data reads differently each time."
        )


def protection_of(
    system: System,
    protect: float | Mapping[str, float] | None,
    metrics: Mapping[str, Metric],
    losses: Iterable[str],
    tracks: Sequence[Sequence[Track]],
    validation: Any,
) -> Protection:
    """What the user asked to protect: some edges, each with a margin, or every branch that training can reach.

    Args:
        protect: a margin by edge or by metric, or one margin for every output that a model in training feeds.
        metrics: by name.
        losses: the edges that have a loss.
        tracks: of every stage.
        validation: the data on which it is decided.

    Raises:
        DeclarationError: there is no validation data, a margin is no number from 0 on, or nothing measures an edge.
    """
    if protect is None:
        return Protection()
    known = set(losses)
    if isinstance(protect, Mapping):
        margins = protect
    else:
        margins = dict.fromkeys(_reached(system, tracks, known | {m.edge for m in metrics.values()}), protect)
    for edge, margin in margins.items():
        if isinstance(margin, bool) or not isinstance(margin, int | float) or not isfinite(margin) or margin < 0:
            raise DeclarationError(
                f"protect={protect!r}: it says how much worse an edge may become, from 0 on, in the unit of its "
                f"metric: protect={{'{edge}': 0.01}}, or protect=0.01 for every branch"
            )
    if validation is None:
        raise DeclarationError(f"protect={protect!r} is decided on validation data; give validation= and metric=")
    by_loss: list[str] = []
    found: dict[str, float] = {}
    for name, margin in margins.items():
        names = [other for other, metric in metrics.items() if name in (other, metric.edge)]
        if not names and name in known:
            by_loss.append(name)
            names = [f"{name}: loss"]
        if not names:
            if name not in metrics and "." not in name:
                system.graph.check_edge(name, "protect")
            raise DeclarationError(
                f"protect: nothing measures '{name}', so nobody would see it become worse; metrics are: "
                f"{listed(metrics)}; write metric={{..., '{name}': your_metric}}"
            )
        found.update(dict.fromkeys(names, float(margin)))
    return Protection(found, tuple(by_loss))


def _reached(system: System, tracks: Sequence[Sequence[Track]], measured: Collection[str | None]) -> list[str]:
    """The outputs that lie behind a model in training, and inner branches that something measures."""
    learning = {name for group in tracks for track in group for name in track.models}
    ends = [edge for edge in branch_ends(system) if edge in system.outputs or edge in measured]
    return [edge for edge in ends if learning & {node.name for node in system.plan((edge,))}]


def _judged(change: Change, margin: float) -> str:
    loss = change.before - change.after if change.higher_is_better else change.after - change.before
    if isnan(loss) or loss > margin:
        return KEPT if isnan(change.before) else BROKEN
    difference = change.difference
    if difference is None or not difference.has_interval:
        return KEPT
    return KEPT if (-difference.low if change.higher_is_better else difference.high) <= margin else UNSURE


def _counts(names: Counter[str]) -> str:
    return ", ".join(f"{name} in {count}" for name, count in names.items())
