"""What one comparison is about: real data, a system whose models are of one family, and how the system is judged."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.ensemble import HistGradientBoostingClassifier
from torch import Tensor

from benchmarks.scikit_learn.families import Settings
from drivetrain import Metric, System
from examples.protocol import Splits

Data = dict[str, Tensor]


class Setting(ABC):
    """A system on real data.

    Attributes:
        name: what the tables call it.
        story: what it does, and how it is judged, in a sentence or two.
        model: the model that partial end-loss trains.
        output: the edge that is judged.
        inner: the losses of individual training, by edge.
        inputs: the edges that the system reads.
        sequential: whether a model reads what another answers, so that training in context is another thing.
        regression: whether that model is a regression; a classifier's soft targets leave few trees out of the bag.
        nothing_to_gain: whether individual training already minimises what the system is judged by.
        thresholds: values of the glue code's one number that may be chosen on validation; the first is the default.
        features: numbers that the models read, for the scale of kernels.
        margin: of the metric, that counts as not worse; stated beforehand.
        rows: how many rows a split draws; all if None.
    """

    name: ClassVar[str]
    story: ClassVar[str]
    model: ClassVar[str]
    output: ClassVar[str]
    inputs: ClassVar[tuple[str, ...]]
    sequential: ClassVar[bool] = False
    regression: ClassVar[bool] = False
    nothing_to_gain: ClassVar[bool] = False
    higher_is_better: ClassVar[bool] = True
    thresholds: ClassVar[tuple[float, ...]] = (0.0,)
    features: ClassVar[int]
    margin: ClassVar[float] = 0.01
    rows: ClassVar[int | None] = None

    @property
    @abstractmethod
    def inner(self) -> Mapping[str, Any]:
        """The losses of individual training, by edge."""

    @abstractmethod
    def table(self) -> Data:
        """The whole data set, one row a sample, the truth of every edge included."""

    @abstractmethod
    def build(self, family: str, seed: int, settings: Settings, step: float) -> System:
        """The system, unfitted; ``step`` is how far refits follow the end loss."""

    @abstractmethod
    def loss(self, prediction: Tensor, truth: Tensor) -> Tensor:
        """The end loss."""

    @abstractmethod
    def judge(self, prediction: Tensor, truth: Tensor, threshold: float) -> Tensor:
        """What the system is judged by, one value a sample."""

    @abstractmethod
    def one_model(self, family: str, seed: int) -> Any:
        """A model of the family from all inputs to the output at once; None where the system holds but one."""

    def boosted(self, seed: int) -> Any:
        """Gradient boosting from all inputs to the output, told what the system is judged by where that can be told."""
        return HistGradientBoostingClassifier(random_state=seed)

    def read_out(self, answer: Tensor) -> Tensor:
        """What the output edge carries, from what a single model answers."""
        return answer

    def judged(self) -> Metric:
        """The metric of the system at the glue code's default threshold."""

        def metric(prediction: Tensor, truth: Tensor) -> Tensor:
            return self.judge(prediction, truth, self.thresholds[0])

        return Metric(metric, self.output, higher_is_better=self.higher_is_better, name=self.name)

    def score(self, prediction: Tensor, data: Data, threshold: float | None = None) -> float:
        """How good predictions are for some data, more is better."""
        at = self.thresholds[0] if threshold is None else threshold
        found = float(self.judge(prediction, data[self.output], at).mean())
        return found if self.higher_is_better else -found

    def splits(self, seed: int, rows: int | None = None) -> Splits:
        """Half for training, a quarter each for validation and test, drawn anew by each seed."""
        table = self.table()
        count = len(next(iter(table.values())))
        table["row"] = torch.arange(count)
        order = torch.from_numpy(np.random.default_rng(seed).permutation(count)[: rows or self.rows])
        half, end = len(order) // 2, 3 * len(order) // 4
        parts = order[:half], order[half:end], order[end:]
        return Splits(*({edge: values[part] for edge, values in table.items()} for part in parts))


def hits(scores: Tensor, truth: Tensor) -> Tensor:
    """1 where the class with the largest score is the true one."""
    return (scores.argmax(1) == truth).double()


def standardised(values: Any) -> Tensor:
    """Columns of mean 0 and standard deviation 1, by all rows: a choice of units, not of a model."""
    array = np.asarray(values, dtype=np.float64)
    return torch.from_numpy((array - array.mean(0)) / array.std(0))
