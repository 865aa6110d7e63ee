"""Models that learn by being fitted anew, not by steps along a gradient: what they gather, and when they are fitted."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

Array = npt.NDArray[Any]
Columns = tuple[Array, ...]
"""Arrays with one row per example: features and what they teach."""

WayBack = Callable[[Callable[[Tensor], Tensor], Tensor, Tensor, Tensor], Tensor]
"""``way_back(function, inputs, outputs, cotangent)``: the estimated gradient at the inputs of a model that has none."""


@dataclass
class Pull:
    """What one run of a model heard back: the gradient of the end loss at its output.

    Attributes:
        features: what it ran on, [rows, features].
        outputs: what it answered, [rows] or [rows, values].
        gradient: of the loss at the answer, in its shape; several ways back add up.
    """

    features: Array
    outputs: Array
    gradient: Array


class FittingModule(nn.Module):
    """The torch side of a model that learns by being fitted; an adapter fills in the rest.

    Attributes:
        asked: a parameter that stands for all that is learned by fitting, so that freezing, turns and gradients mean
            for this model what they mean for every other; its number is never used.
        pulls: what the runs since the last update heard back.
        shown: examples with their own truth since the last update.
        way_back: estimates the gradient for what lies before the model; training hands one over while it runs.
        upstream: how it is to be estimated, an estimator of ``drivetrain.gradients``; None: the usual one.
    """

    grows = True  # its state changes its shapes when it is fitted

    def __init__(self) -> None:
        super().__init__()
        self.asked = nn.Parameter(torch.zeros(()))
        self.pulls: list[Pull] = []
        self.shown: list[Columns] = []
        self.way_back: WayBack | None = None
        self.upstream: Any = None

    @property
    @abstractmethod
    def is_fitted(self) -> bool:
        """Whether it can answer already."""

    @property
    @abstractmethod
    def has_gradient(self) -> bool:
        """Whether its weights have an exact gradient, so that an optimizer of torch steps them for the end loss."""

    @property
    def cannot_follow(self) -> str:
        """Why it could never learn from an end loss, in words; empty where it can."""
        return ""

    @property
    def step_size(self) -> float:
        """How far one fit follows the gradient, in root mean squares of the moves."""
        return 0.5

    @abstractmethod
    def examples(self, values: tuple[Any, ...], truth: Any) -> Columns:
        """Inputs of a call and the truth of its output, as rows."""

    @abstractmethod
    def fit_truth(self, features: Array, truth: Array) -> None:
        """Fit it to truth, from nothing."""

    @abstractmethod
    def fit_moved(self, features: Array, outputs: Array, moves: Array) -> None:
        """Fit it to its own outputs, moved as the end loss asks; ``moves`` have a root mean square of ``step_size``."""

    @abstractmethod
    def merge(self, others: list[FittingModule]) -> None:
        """Become the merger of some models that have learned apart, itself not among them.

        Raises:
            TrainingError: there is no meaningful one.
        """

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "pulls": [], "shown": []}


class FittingOptimizer(Optimizer):
    """Gathers what a model should learn, batch by batch, and fits it when asked.

    Of moved outputs it keeps the newest examples, across epochs, so that a model that learns in every second iteration
    is fitted to all samples. Gradients at the output become moves of a root mean square
    of ``lr`` (the model's ``step_size`` unless a schedule changes it), divided by the largest root mean square seen in
    this stage: as in AMSGrad (Reddi et al. 2018), steps become smaller where gradients do.

    Attributes:
        by_truth: whether the model is fitted to its own truth, or to moved outputs.
    """

    def __init__(self, module: FittingModule, by_truth: bool) -> None:
        super().__init__([module.asked], {"lr": module.step_size})
        self.module, self.by_truth = module, by_truth
        self.memory: Columns = ()
        self.old = 0  # rows of the memory that an earlier fit has seen
        self.scale = 0.0
        self.fitted_to = ""

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Take what the last runs brought into the memory."""
        rows = self.module.shown if self.by_truth else [_columns(pull) for pull in self.module.pulls]
        if rows:
            kept = [self.memory] if self.memory else []
            self.memory = tuple(np.concatenate(parts) for parts in zip(*kept, *rows, strict=True))
        self.zero_grad()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget what the last runs brought."""
        super().zero_grad(set_to_none)
        self.module.pulls.clear()
        self.module.shown.clear()

    def fit(self, newest: int) -> bool:
        """Fit the model to the newest examples; answers whether there was anything new to learn.

        Args:
            newest: how many to keep: the size of the data set.
        """
        if not self.memory or not len(self.memory[0]):
            return False
        if not self.by_truth:
            self.memory = _newest(self.memory, self.old, newest)
            self.old = len(self.memory[0])
        found = _digest(self.memory)
        if self.by_truth:
            features, truth = self.memory
            self.memory = ()  # an epoch shows everything once more
            if found == self.fitted_to and self.module.is_fitted:
                return False
            self.module.fit_truth(features, truth)
        else:
            features, outputs, gradients = self.memory
            size = float(np.sqrt(np.mean(gradients**2)))
            self.scale = max(self.scale, size)
            if found == self.fitted_to or not self.scale:
                return False
            lr = float(self.param_groups[0]["lr"])
            self.module.fit_moved(features, outputs, -lr / self.scale * gradients)
        self.fitted_to = found
        return True

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to go on later, as data."""
        return {
            "groups": super().state_dict()["param_groups"],
            "scale": self.scale, "fitted_to": self.fitted_to, "old": self.old,
            "memory": [torch.from_numpy(np.ascontiguousarray(column)) for column in self.memory],
        }  # fmt: skip

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:  # type: ignore[override]
        """Go on from what ``state_dict`` answered."""
        super().load_state_dict({"state": {}, "param_groups": state_dict["groups"]})
        self.scale, self.fitted_to, self.old = state_dict["scale"], state_dict["fitted_to"], state_dict["old"]
        self.memory = tuple(column.numpy() for column in state_dict["memory"])


def fitting(module: nn.Module) -> FittingModule | None:
    """The model in a component that learns by being fitted, if there is one."""
    return next(_fittings(module), None)


def unfitted(system: nn.Module) -> bool:
    """Whether something in a system cannot answer before it has been fitted."""
    return any(not module.is_fitted for module in _fittings(system))


def forget(system: nn.Module) -> None:
    """Forget what runs brought that were no part of training."""
    for module in _fittings(system):
        module.pulls.clear()


def _fittings(module: nn.Module) -> Iterator[FittingModule]:
    return (part for part in module.modules() if isinstance(part, FittingModule))


def _columns(pull: Pull) -> Columns:
    return pull.features, pull.outputs, pull.gradient


def _newest(memory: Columns, old: int, count: int) -> Columns:
    """The rows of now, and the latest of the old ones whose features did not come again, ``count`` in all."""
    features = np.ascontiguousarray(memory[0])
    again = {row.tobytes() for row in features[old:]}
    places = [place for place in range(old) if features[place].tobytes() not in again]
    places += range(old, len(features))
    return tuple(column[places[-count:]] for column in memory)


def _digest(memory: Columns) -> str:
    """Says whether the same examples were seen, in whatever order."""
    columns = [np.ascontiguousarray(column) for column in memory]
    rows = sorted(b"".join(column[place].tobytes() for column in columns) for place in range(len(columns[0])))
    return hashlib.sha256(b"".join(rows)).hexdigest()
