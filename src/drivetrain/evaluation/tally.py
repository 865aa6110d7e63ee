"""Adding up a metric: what it said of each sample, and the sum over all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from drivetrain.errors import ShapeError
from drivetrain.evaluation.metrics import Metric, is_torchmetrics
from drivetrain.graph.execution import describe, size_of

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Rows:
    """What a metric said of each sample.

    Attributes:
        numerators: [samples]; the values themselves for a metric that answers one value a sample.
        denominators: [samples]; ones for a metric that answers one value a sample.
        units: [samples]; which independent unit each sample belongs to.
        ids: [samples]; each sample's key or index, by which two systems are compared on the same samples.
    """

    numerators: Array
    denominators: Array
    units: tuple[Any, ...]
    ids: tuple[Any, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.numerators)

    @property
    def value(self) -> float:
        """The sum of the numerators by the sum of the denominators; NaN where that is zero."""
        return ratio(self.numerators, self.denominators)

    @staticmethod
    def joined(rows: Iterable[Rows]) -> Rows:
        """Several of them as one, such as the same samples under several seeds with the track layout as the unit."""
        parts = list(rows)
        return Rows(
            np.concatenate([np.empty(0), *(part.numerators for part in parts)]),
            np.concatenate([np.empty(0), *(part.denominators for part in parts)]),
            tuple(unit for part in parts for unit in part.units),
            tuple(identity for part in parts for identity in part.ids),
        )


class Tally:
    """Adds up one metric over batches.

    Example:
        >>> def recall(prediction, truth):  # per sample: how many of its objects were found, how many there are
        ...     return (prediction & truth).sum(-1), truth.sum(-1)
        >>> tally = Tally(Metric(recall))
        >>> tally.add(torch.tensor([[True, False], [True, True]]), torch.tensor([[True, True], [True, True]]))
        >>> tally.value
        0.75
    """

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self._parts: list[Rows] = []
        self._torchmetrics: Any = None
        self._count = 0

    def add(
        self, prediction: Any, truth: Any, units: Iterable[Any] | None = None, ids: Iterable[Any] | None = None
    ) -> None:
        """Judge one batch; without units each sample is its own.

        Raises:
            ShapeError: the metric does not answer one value, or one pair, a sample.
        """
        named = None if units is None else tuple(hashable(unit) for unit in units)
        size = len(named) if named is not None else size_of(truth)
        size = size_of(prediction) if size is None else size
        try:
            with torch.no_grad():
                if is_torchmetrics(self.metric.fn):
                    self._update(prediction, truth, size)
                    return
                answer = self.metric.fn(prediction, truth)
        except Exception as error:
            judged = f"edge '{self.metric.edge}'" if self.metric.edge else "a batch"
            error.add_note(
                f"while the metric '{self.metric.name}' judged {judged} "
                f"(prediction {describe(prediction)}, truth {describe(truth)})"
            )
            raise
        numerators, denominators = _rows(self.metric, answer, size)
        start, count = self._count, len(numerators)
        self._count += count
        order = tuple(range(start, start + count))
        known = order if ids is None else tuple(hashable(identity) for identity in ids)
        self._parts.append(Rows(numerators, denominators, named or known, known))

    @property
    def value(self) -> float:
        """The metric over everything added so far; NaN where nothing was, or where all denominators are zero."""
        if self._torchmetrics is not None:
            return _number(self.metric, self._torchmetrics.compute())
        return self.rows.value

    @property
    def rows(self) -> Rows:
        """What it said of each sample; empty for a torchmetrics metric, which keeps no samples."""
        return Rows.joined(self._parts)

    @property
    def count(self) -> int:
        """How many samples were added."""
        return self._count

    def _update(self, prediction: Any, truth: Any, size: int | None) -> None:
        if self._torchmetrics is None:  # a copy: the user's own object keeps what it has counted
            self._torchmetrics = self.metric.fn.clone()
            self._torchmetrics.reset()
        if isinstance(prediction, torch.Tensor):
            self._torchmetrics.to(prediction.device)
        self._torchmetrics.update(prediction, truth)
        self._count += size or 0


def ratio(numerators: Array, denominators: Array) -> float:
    """Sum by sum; NaN where the denominators sum to zero."""
    below = float(denominators.sum())
    return float(numerators.sum()) / below if below != 0 else float("nan")


def hashable(unit: Any) -> Any:
    """A unit or key as a dict can hold it: tensors and arrays as numbers or tuples."""
    if hasattr(unit, "tolist"):
        unit = unit.tolist()
    return tuple(hashable(part) for part in unit) if isinstance(unit, list) else unit


def _rows(metric: Metric, answer: Any, size: int | None) -> tuple[Array, Array]:
    if isinstance(answer, tuple):
        if len(answer) != 2:
            raise _misfit(metric, f"a tuple of {len(answer)}", size, "")
        numerators = _column(metric, answer[0], size, "numerators")
        denominators = _column(metric, answer[1], size, "denominators")
        if len(numerators) != len(denominators):
            raise _misfit(metric, f"{len(numerators)} numerators and {len(denominators)} denominators", size, "")
        return numerators, denominators
    values = _column(metric, answer, size, "values")
    return values, np.ones(len(values))


def _column(metric: Metric, answer: Any, size: int | None, what: str) -> Array:
    try:
        column = _numbers(answer)
    except (TypeError, ValueError, RuntimeError):
        raise _misfit(metric, describe(answer), size, "") from None
    if column.ndim == 0 and size == 1:
        return column.reshape(1)
    if column.ndim == 0:
        hint = "; a mean over the batch hides its samples, so average within each sample only: .flatten(1).mean(1)"
        raise _misfit(metric, "one number", size, hint)
    if column.ndim > 1:
        hint = "; sum or average over all but the first dimension: .flatten(1).mean(1)"
        raise _misfit(metric, f"{what} of shape {column.shape}", size, hint)
    if size is not None and len(column) != size:
        raise _misfit(metric, f"{len(column)} {what}", size, "")
    return column


def _numbers(answer: Any) -> Array:
    if isinstance(answer, torch.Tensor):
        return answer.detach().to("cpu", torch.float64).numpy()
    if isinstance(answer, list):
        return np.array([_numbers(one) for one in answer], dtype=np.float64)
    if isinstance(answer, Mapping | str) or answer is None:
        raise TypeError
    return np.asarray(answer, dtype=np.float64)


def _misfit(metric: Metric, found: str, size: int | None, hint: str) -> ShapeError:
    samples = "the batch" if size is None else f"a batch of {size}"
    return ShapeError(
        f"the metric '{metric.name}' answered {found} for {samples}; expected one value a sample (a tensor, array or "
        f"list), or a tuple (numerators, denominators) with one of each a sample{hint}"
    )


def _number(metric: Metric, answer: Any) -> float:
    value = np.asarray(answer.detach().cpu() if isinstance(answer, torch.Tensor) else answer, dtype=np.float64)
    if value.size != 1:
        raise ShapeError(
            f"the torchmetrics metric '{metric.name}' answers {value.size} numbers, a report shows one; "
            f'let it average (average="macro") or wrap it in a function'
        )
    return float(value.reshape(()))
