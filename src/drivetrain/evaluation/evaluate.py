"""``evaluate``: how good a system is, on every edge that has a truth and a metric, with an interval."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isinf, isnan, nan
from typing import Any

import torch
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from drivetrain.data import Batch, Opened, Source
from drivetrain.errors import DeclarationError, MissingEdgeError, UnknownNameError, listed
from drivetrain.evaluation.metrics import is_torchmetrics, metrics_by_edge
from drivetrain.evaluation.reading import judged, needs_of, parts_of, source_of
from drivetrain.evaluation.statistics import Estimate, estimate
from drivetrain.evaluation.tally import Rows, Tally
from drivetrain.graph import System
from drivetrain.graph.execution import run
from drivetrain.graph.signature import KEY
from drivetrain.report import Report, plain, progress


@dataclass(frozen=True)
class Measured:
    """What a metric says of itself, without its function: a report is a plain value that can be sent and kept."""

    edge: str
    name: str
    higher_is_better: bool


@dataclass(frozen=True, repr=False)
class EvaluationReport(Report):
    """What ``evaluate`` answers; ``report["cones"]`` has ``.value .low .high .n``.

    Attributes:
        system: the system's name.
        estimates: by name, ``"cones"`` or, where an edge has several metrics, ``"cones.recall"``.
        metrics: what was measured, under the same names.
        rows: what each metric said of each sample, for paired comparisons; empty for torchmetrics.
        left_out: how many samples each metric could not judge, because they lack an input or the truth.
        unit: the field whose values are independent; None where each sample is.
        confidence: of the intervals.
    """

    system: str
    estimates: dict[str, Estimate]
    metrics: dict[str, Measured]
    rows: dict[str, Rows]
    left_out: dict[str, int]
    unit: str | None
    confidence: float

    def __getitem__(self, name: str) -> Estimate:
        """The estimate of that name; an edge's name is enough where the edge has one metric."""
        return self.estimates[self.name_of(name)]

    def __iter__(self) -> Iterator[str]:
        return iter(self.estimates)

    def __len__(self) -> int:
        return len(self.estimates)

    def __contains__(self, name: object) -> bool:
        return name in self.estimates

    def items(self) -> Iterator[tuple[str, Estimate]]:
        """Names and estimates."""
        return iter(self.estimates.items())

    def name_of(self, name: str) -> str:
        """The name under which the report holds it.

        Raises:
            UnknownNameError: nothing of that name was measured; the message lists what was.
        """
        on_edge = [known for known, metric in self.metrics.items() if metric.edge == name]
        if name in self.estimates:
            return name
        if len(on_edge) == 1:
            return on_edge[0]
        raise UnknownNameError(f"no '{name}' in the evaluation of {self.system}; it has: {listed(self.estimates)}")

    def to_dict(self) -> dict[str, Any]:
        """The numbers without the single samples."""
        scores = {
            name: {
                "edge": self.metrics[name].edge,
                "metric": self.metrics[name].name,
                "higher_is_better": self.metrics[name].higher_is_better,
                **plain(found),
                "left_out": self.left_out[name],
            }
            for name, found in self.estimates.items()
        }
        return {"system": self.system, "unit": self.unit, "confidence": self.confidence, "scores": scores}

    def __rich__(self) -> RenderableType:
        title = Text(f"{self.system}, {self.confidence:.0%} intervals over {self.unit or 'samples'}")
        table = Table("edge", "metric", "value [low, high]", "n", title=title, title_justify="left")
        for name, found in self.estimates.items():
            metric = self.metrics[name]
            units = f" in {found.units} units" if self.unit and found.units else ""
            arrow = "" if metric.higher_is_better else " (lower is better)"
            table.add_row(*map(Text, (metric.edge, metric.name + arrow, found.text(), f"{found.n}{units}")))
        return Group(table, *map(Text, self.remarks()))

    def remarks(self) -> list[str]:
        """What a reader must know about the numbers, in sentences."""
        said = [
            f"{name}: {count} of {count + self.estimates[name].n} samples left out, they lack an input or the truth."
            for name, count in self.left_out.items()
            if count
        ]
        return said + [f"{name}: {why}" for name, found in self.estimates.items() if (why := _why(found))]


def evaluate(
    system: System,
    data: Any,
    metrics: Any,
    *,
    batch_size: int = 64,
    unit: str | None = None,
    confidence: float = 0.95,
    seed: int = 0,
    device: str | torch.device | None = None,
    show_progress: bool = True,
) -> EvaluationReport:
    """Measure a system on data, each asked edge by its metric.

    Args:
        system: it is run in evaluation mode without gradients, and left in the modes it was in.
        data: a data set as ``fit`` takes it, with the truth of each edge that is measured.
        metrics: ``cone_f1`` where the system has one output, or by edge: ``{"cones": cone_f1, "boxes": box_iou}``;
            several on one edge: ``{"cones": {"f1": cone_f1, "recall": cone_recall}}``. See ``Metric``.
        batch_size: samples that are run at once.
        unit: the field of the data whose values are independent, such as ``"layout"`` or ``"session"``; intervals are
            over these. Default: each sample is independent, which frames of one recording are not.
        confidence: of the intervals.
        seed: of the intervals' resampling.
        device: where to run; default: where the system's weights are.
        show_progress: a bar when it takes longer than a moment.

    Raises:
        UnknownNameError: a metric names an edge that the system does not have.
        DeclarationError: what is given is no metric, or the batch size is below one.
        MissingEdgeError: no sample has the truth, the inputs or the unit that is needed.
        DataError: the data is empty or cannot be read.
        ShapeError: a metric does not answer one value a sample.
    """
    if batch_size < 1:
        raise DeclarationError(f"evaluate(..., batch_size={batch_size}): a batch holds one sample at least")
    chosen = metrics_by_edge(system, metrics)
    opened = Opened(data, system)
    edges = tuple(dict.fromkeys(str(metric.edge) for metric in chosen.values()))
    needs = {edge: needs_of(system, edge, unit) for edge in edges}
    sources = {edge: source_of(system, opened, edge, needs[edge], unit) for edge in edges}
    tallies = {name: Tally(metric) for name, metric in chosen.items()}
    read = dict.fromkeys(edges, 0)
    if device is not None:
        system.to(device)
    with judged(system):
        for source in dict.fromkeys(sources.values()):
            mine = {edge: needs[edge] for edge in edges if sources[edge] is source}
            for batch in _batches(system, source, mine, batch_size, show_progress):
                for edge in mine:
                    read[edge] += batch.size
                for wanted, part in parts_of(batch, mine):
                    _judge(system, wanted, part, unit, tallies)
    for tally in tallies.values():
        _check_judged(system, tally, sources[str(tally.metric.edge)], needs[str(tally.metric.edge)])
    return EvaluationReport(
        system.name,
        {name: _estimate(tally, confidence, seed) for name, tally in tallies.items()},
        {name: Measured(str(m.edge), m.name, m.higher_is_better) for name, m in chosen.items()},
        {name: tally.rows for name, tally in tallies.items()},
        {name: read[str(tally.metric.edge)] - tally.count for name, tally in tallies.items()},
        unit,
        confidence,
    )


def _batches(
    system: System, source: Source, needs: Mapping[str, tuple[str, ...]], size: int, shown: bool
) -> Iterator[Batch]:
    """The batches of a data set, on the device of the system's weights."""
    weight = next(system.parameters(), None)
    unread = set(source.fields()) - {field for fields in needs.values() for field in fields} - {KEY}
    batches = source.batches(size, skip=unread)
    for batch in progress(batches, f"evaluating {system.name}", total=source.count(size), shown=shown):
        yield batch if weight is None or weight.device.type == "cpu" else batch.to(weight.device)


def _judge(
    system: System, wanted: tuple[str, ...], part: Batch, unit: str | None, tallies: Mapping[str, Tally]
) -> None:
    values = run(system.plan(wanted), {edge: part[edge] for edge in system.inputs if edge in part})
    for tally in tallies.values():
        edge = str(tally.metric.edge)
        if edge in wanted:
            tally.add(values[edge], part[edge], part.ids if unit is None else part[unit], part.ids)


def _estimate(tally: Tally, confidence: float, seed: int) -> Estimate:
    if is_torchmetrics(tally.metric.fn):  # it keeps no samples that could be drawn again
        return Estimate(tally.value, nan, nan, tally.count, 0)
    return estimate(tally.rows, confidence=confidence, seed=seed)


def _why(found: Estimate) -> str:
    """Why a number, or its interval, is missing."""
    if isnan(found.value):
        return "no value; the metric found nothing to divide by, or the value of a sample is NaN."
    if found.has_interval:
        return ""
    if isinf(found.value):
        return "no interval; the value of a sample is infinite."
    if not found.units:
        return "no interval; torchmetrics keeps no samples, a function that answers one value a sample gets one."
    return "no interval; it takes two independent units at least that have something to divide by."


def _check_judged(system: System, tally: Tally, source: Source, needs: tuple[str, ...]) -> None:
    if not tally.count:
        raise MissingEdgeError(
            f"evaluating '{tally.metric.edge}' of {system.name}: no sample has all of {listed(needs)}; "
            f"the data has: {listed(source.fields())}"
        )
