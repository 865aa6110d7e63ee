"""A system version against another: which models differ, which code, and what was measured on both, edge by edge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rich.console import Group, RenderableType
from rich.table import Table

from drivetrain.experiments.versions.version import ComponentVersion, Evaluation, SystemVersion
from drivetrain.report import Report

Verdict = Literal["better", "worse", "not apart", "equal", "higher", "lower", "only before", "only after"]
"""Better and worse where the intervals do not overlap; higher and lower where one of them has none."""


@dataclass(frozen=True)
class SlotDifference:
    """What stands in a slot before and after; None where nothing does."""

    slot: str
    before: ComponentVersion | None
    after: ComponentVersion | None

    @property
    def same(self) -> bool:
        """Whether it is the same component version."""
        return self.before == self.after


@dataclass(frozen=True)
class MeasureDifference:
    """A metric before and after, on the same edge and data; the newest measurement counts.

    Attributes:
        metric: what was measured.
        edge: where; empty for the system as a whole.
        data: the digest of the data set.
        before: what was measured on the first version; None where nothing was.
        after: the same of the second.
        change: after minus before; None where one is missing.
        verdict: in a word.
    """

    metric: str
    edge: str
    data: str
    before: Evaluation | None
    after: Evaluation | None
    change: float | None
    verdict: Verdict


@dataclass(frozen=True, repr=False)
class VersionDifference(Report):
    """One system version against another.

    Attributes:
        before: the first.
        after: the second.
        slots: in order of execution.
        code: the components whose code differs, the diagram among them; ``"unknown"`` where nobody told what it was.
        measures: by edge, then by metric.
    """

    before: SystemVersion
    after: SystemVersion
    slots: tuple[SlotDifference, ...]
    code: tuple[str, ...]
    measures: tuple[MeasureDifference, ...]

    @property
    def incomparable(self) -> dict[str, tuple[str, str]]:
        """Edges on which both were measured, but never by the same metric: what measured them before, and after."""
        sides: dict[str, tuple[list[str], list[str]]] = {}
        for each in self.measures:
            before, after = sides.setdefault(each.edge, ([], []))
            before += [each.metric] * (each.before is not None)
            after += [each.metric] * (each.after is not None)
        apart = {edge: side for edge, side in sides.items() if all(side) and set(side[0]).isdisjoint(side[1])}
        return {edge: (", ".join(before), ", ".join(after)) for edge, (before, after) in apart.items()}

    def __rich__(self) -> RenderableType:
        models = Table(title=f"{self.before} against {self.after}", title_justify="left")
        for column in ("slot", str(self.before), str(self.after), ""):
            models.add_column(column)
        for slot in self.slots:
            models.add_row(
                slot.slot, str(slot.before or "-"), str(slot.after or "-"), "same" if slot.same else "differs"
            )
        measures = Table(caption="better, worse: the 95 % intervals do not overlap", caption_justify="left")
        for column in ("edge", "metric", "data", str(self.before), str(self.after), "change", ""):
            measures.add_column(column, justify="left" if column in ("edge", "metric", "data", "") else "right")
        for each in self.measures:
            change = "" if each.change is None else f"{each.change:+.4g}"
            measures.add_row(
                each.edge or "(system)",
                each.metric,
                each.data[:8] or "-",
                _number(each.before),
                _number(each.after),
                change,
                each.verdict,
            )
        hints = [
            f"{edge or '(system)'}: {then} before, {now} after, which say nothing of each other: fit both with a metric"
            for edge, (then, now) in self.incomparable.items()
        ]
        code = f"code that differs: {', '.join(self.code)}" if self.code else "the code between the models is the same"
        return Group(models, code, measures if self.measures else "nothing was measured on either of them", *hints)


def difference(
    before: SystemVersion,
    after: SystemVersion,
    components: dict[str, ComponentVersion],
    glues: tuple[dict[str, str], dict[str, str]],
    measured: tuple[list[Evaluation], list[Evaluation]],
) -> VersionDifference:
    """Put two versions side by side; ``components`` by digest, glues and measurements of the first and the second."""
    slots = tuple(
        SlotDifference(slot, components.get(before.pins.get(slot, "")), components.get(after.pins.get(slot, "")))
        for slot in dict.fromkeys([*before.pins, *after.pins])
    )
    code: tuple[str, ...] = ()
    if before.glue != after.glue:
        then, now = glues
        names = sorted(name for name in then.keys() | now.keys() if then.get(name) != now.get(name))
        code = tuple(names) if then and now else ("unknown",)
    newest = [{(each.edge, each.metric, each.data): each for each in some} for some in measured]
    keys = sorted(newest[0].keys() | newest[1].keys())
    return VersionDifference(
        before, after, slots, code, tuple(_measure(key, newest[0].get(key), newest[1].get(key)) for key in keys)
    )


def _measure(key: tuple[str, str, str], before: Evaluation | None, after: Evaluation | None) -> MeasureDifference:
    edge, metric, data = key
    if before is None or after is None:
        return MeasureDifference(
            metric, edge, data, before, after, None, "only after" if before is None else "only before"
        )
    change = after.value - before.value
    return MeasureDifference(metric, edge, data, before, after, change, _verdict(before, after, change))


def _verdict(before: Evaluation, after: Evaluation, change: float) -> Verdict:
    if change == 0:
        return "equal"
    if before.low is None or before.high is None or after.low is None or after.high is None:
        return "higher" if change > 0 else "lower"
    if after.low <= before.high and before.low <= after.high:
        return "not apart"
    return "better" if (change > 0) == after.higher_is_better else "worse"


def _number(found: Evaluation | None) -> str:
    if found is None:
        return "-"
    if found.low is None or found.high is None:
        return f"{found.value:.4g}"
    return f"{found.value:.4g} ({found.low:.4g} to {found.high:.4g})"
