"""What training did to the system and to every edge: each measured before and after, on the same samples."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from math import isfinite, nan
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from drivetrain.data import Batch, Ledger, Opened, Source, take
from drivetrain.errors import DataError, MissingEdgeError, listed
from drivetrain.evaluation.change import Change, Measurement, change
from drivetrain.evaluation.metrics import Metric
from drivetrain.evaluation.tally import Tally
from drivetrain.graph import System
from drivetrain.graph.execution import needed, run
from drivetrain.training.base import Track
from drivetrain.training.losses import BoundLoss, named_terms
from drivetrain.training.running import Runner
from drivetrain.training.targets import encoded, same_structure

WITHOUT_VALIDATION = 256
"""Samples of the training data on which edges are measured where no validation data was given."""


class Gauge:
    """Measures a system on one data set, again and again.

    Args:
        metrics: by name, each with its edge.
        extra: losses by edge, for edges that have no metric of their own.
        limit: samples to read at most.
        ledger: where the truths that the metrics read are noted as used for validation.
        unit: the field whose values are independent, such as a session; None where each sample is. Differences are
            drawn by it; weights are chosen by the value itself, which no grouping of samples changes.
    """

    def __init__(
        self,
        system: System,
        data: Opened,
        metrics: dict[str, Metric],
        batch_size: int,
        extra: dict[str, BoundLoss] | None = None,
        device: torch.device | str = "cpu",
        unit: str | None = None,
        *,
        limit: int | None = None,
        ledger: Ledger | None = None,
    ) -> None:
        self.system, self.data, self.metrics, self.unit = system, data, metrics, unit
        self.batch_size, self.limit, self.device = batch_size, limit, device
        self.extra = extra or {}
        self.ledger = ledger

    def check(self) -> None:
        """Refuse metrics whose truth the data does not have.

        Raises:
            MissingEdgeError: the message names the edge.
        """
        for name, metric in self.metrics.items():
            edge = str(metric.edge)
            fields = self._source(edge).fields()
            if edge not in fields:
                raise MissingEdgeError(
                    f"metric '{name}': the data has no truth for edge '{edge}'; its samples have: {listed(fields)}"
                )
            if self.unit is not None and self.unit not in fields:
                raise MissingEdgeError(
                    f"unit='{self.unit}': the data on which '{edge}' is measured has no such field; "
                    f"its samples have: {listed(fields)}"
                )

        parts = list(self.data.parts.values()) or [self.data.whole]
        fields = tuple(dict.fromkeys(field for part in parts for field in part.fields()))
        if self.unit is not None and self.unit not in fields:
            raise MissingEdgeError(
                f"unit='{self.unit}': the data has no such field; its samples have: {listed(fields)}"
            )

    def measure(self, *, whole: bool = False, also: Collection[str] = ()) -> Measurement:
        """The metrics now, and what no metric judges: these edges, or with ``whole`` every one that has a truth."""
        tallies = {name: Tally(metric) for name, metric in self.metrics.items()}
        others: dict[str, _Mean] = {}
        for edges, source in self._groups(whole, also):
            judged = [edge for edge in edges if any(metric.edge == edge for metric in self.metrics.values())]
            for batch in self._batches(source):
                usable = self._usable(batch, edges)
                if usable.size:
                    self.note(usable, judged, source)
                    self._add([edge for edge in edges if edge in usable], usable, tallies, others)
        values = {name: tally.value for name, tally in tallies.items()}
        values |= {name: mean.value for name, mean in others.items()}
        rows = {name: tally.rows for name, tally in tallies.items() if len(tally.rows)}
        return Measurement(values, rows)

    def note(self, batch: Batch, edges: Iterable[str], source: Source) -> None:
        """Note in the ledger, if there is one, that the truths of these edges were used to validate."""
        if self.ledger is not None:
            self.ledger.read(batch, edges, source.labels, "validation", "validation")

    def changes(
        self, before: Measurement, after: Measurement, only: Collection[str] | None = None
    ) -> dict[str, Change]:
        """What lies between two measurements, by metric name; all of it, or only some."""
        names = [name for name in before.values if name in after.values and (only is None or name in only)]
        return {name: change(name, self.metrics.get(name), before, after) for name in names}

    def _source(self, edge: str) -> Source:
        part = self.data.parts.get(edge)  # the whole is joined from parts only where it is needed
        return self.data.whole if part is None else part

    def _groups(self, whole: bool, also: Collection[str]) -> list[tuple[list[str], Source]]:
        """The edges to measure, by the data set that has their truth."""
        groups: dict[int, tuple[list[str], Source]] = {}
        for edge in self.system.edges:
            if edge in self.system.inputs:
                continue
            if not (whole or edge in also or any(metric.edge == edge for metric in self.metrics.values())):
                continue
            if self.data.parts and edge not in self.data.parts:
                continue
            source = self._source(edge)
            if edge in source.fields():
                groups.setdefault(id(source), ([], source))[0].append(edge)
        return list(groups.values())

    def _batches(self, source: Source) -> Iterator[Batch]:
        read = 0
        for batch in source.batches(self.batch_size):
            yield batch.to(self.device) if str(self.device) != "cpu" else batch
            read += batch.size
            if self.limit is not None and read >= self.limit:
                return

    def _usable(self, batch: Batch, edges: list[str]) -> Batch:
        """The samples that have what is read to judge some edges, and the unit."""
        nodes = needed(self.system.graph, [edge for edge in edges if edge in batch])
        read = [edge for edge in self.system.inputs if any(edge in node.inputs for node in nodes)]
        return batch.only(batch.rows(read if self.unit is None else [*read, self.unit]))

    def _add(self, edges: list[str], batch: Batch, tallies: dict[str, Tally], others: dict[str, _Mean]) -> None:
        inputs = {edge: batch[edge] for edge in self.system.inputs if edge in batch}
        with torch.no_grad():
            values = run(needed(self.system.graph, edges), inputs)
        for edge in edges:
            rows = batch.rows([edge])
            if rows is not None and not len(rows):
                continue
            prediction = values[edge] if rows is None else take(values[edge], rows)
            truth = batch.values_of(edge, rows)
            ids = batch.ids if rows is None else [batch.ids[row] for row in rows.tolist()]
            units = None if self.unit is None else batch.values_of(self.unit, rows)
            mine = [name for name, metric in self.metrics.items() if metric.edge == edge]
            for name in mine:
                tallies[name].add(prediction, truth, units, ids)
            if not mine:
                self._add_other(edge, prediction, truth, batch, values, others)

    def _add_other(
        self, edge: str, prediction: Any, truth: Any, batch: Batch, values: dict[str, Any], others: dict[str, _Mean]
    ) -> None:
        size = len(truth) if hasattr(truth, "__len__") else batch.size
        if edge in self.extra:
            terms = named_terms((self.extra[edge],), values, batch)
            if terms:
                others.setdefault(f"{edge}: loss", _Mean()).add(float(sum(terms.values())), size)
            return
        wanted = encoded(self.system, edge, truth)
        if same_structure(wanted, prediction):
            error = _squared_error(prediction, wanted)
            if error is not None:
                others.setdefault(f"{edge}: mean squared error", _Mean()).add(error, size)


def validation_loss(runner: Runner, track: Track, source: Source, gauge: Gauge) -> float:
    """The mean loss of a track over a data set.

    Raises:
        DataError: no sample has all that is read.
    """
    mean = _Mean()
    for batch in source.batches(gauge.batch_size):
        usable = runner.usable(batch.to(gauge.device) if str(gauge.device) != "cpu" else batch)
        if usable.size:
            gauge.note(usable, track.truths, source)
            terms = named_terms(track.losses, runner.measure(usable), usable)
            mean.add(float(sum(float(term) for term in terms.values())), usable.size)
    if not mean.count:
        raise DataError(
            f"{track.name}: no sample of the validation data has all that is read: {listed(runner.inputs)}, "
            f"and the truth of {listed(track.truths)}"
        )
    return mean.value


def score(names: Sequence[str], metrics: dict[str, Metric], values: dict[str, float]) -> float:
    """One number to choose weights by: the mean of some metrics, each turned so that more is better."""
    signed = [values[name] if metrics[name].higher_is_better else -values[name] for name in names]
    value = sum(signed) / len(signed) if signed else nan
    return value if isfinite(value) else -torch.inf


class _Mean:
    """A mean over samples, added up by batches."""

    def __init__(self) -> None:
        self.sum, self.count = 0.0, 0

    def add(self, value: float, count: int) -> None:
        self.sum += value * count
        self.count += count

    @property
    def value(self) -> float:
        return self.sum / self.count if self.count else nan


def _squared_error(prediction: Any, truth: Any) -> float | None:
    pairs = [
        (a.double(), b.double())
        for a, b in zip(tree_leaves(prediction), tree_leaves(truth), strict=False)
        if isinstance(a, Tensor) and isinstance(b, Tensor) and a.shape == b.shape and not a.is_complex()
    ]
    count = sum(a.numel() for a, _ in pairs)
    return float(sum(((a - b) ** 2).sum() for a, b in pairs)) / count if count else None
