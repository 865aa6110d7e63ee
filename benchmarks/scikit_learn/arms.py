"""The ways to train a system that are compared; those beside the end loss fit every model at least as often."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.scikit_learn.families import Settings, settings
from benchmarks.scikit_learn.setting import Data, Setting
from drivetrain import System, fit
from drivetrain.components.sklearn import EstimatorModule
from drivetrain.training import AlternatingEndLoss, Individual, PartialEndLoss, Stages
from drivetrain.training.base import TrainingPattern

UPDATES = 6
"""Batches in a reading of the training data, however many rows there are."""

TEMPI = {"slow": (0.3, 1e-3), "fast": (1.0, 1e-2)}
"""Step of a refit, and Adam's rate where there is a formula; chosen on seeds that are not compared."""

Answer = Callable[[Data], Tensor]
"""From data to what stands on the output edge."""


@dataclass(frozen=True)
class Task:
    """What an arm is asked to train.

    Attributes:
        rounds: refits of each model, after the first fit, that an arm may make.
    """

    setting: Setting
    family: str
    seed: int
    tempo: str
    rounds: int
    train: Data
    validation: Data

    def build(self, seed: int | None = None, settings: Settings | None = None) -> System:
        """The unfitted system."""
        seed = self.seed if seed is None else seed
        return self.setting.build(self.family, seed, settings or {}, TEMPI[self.tempo][0])

    def fit(self, built: System, pattern: TrainingPattern, epochs: Any) -> System:
        """Train it; the best epoch of every stage on validation is kept, by what the system is judged by."""
        fit(
            built, self.train, pattern, epochs=epochs, batch_size=-(-len(self.train["row"]) // UPDATES),
            seed=self.seed, optimizer=self._adam, validation=self.validation, metric=self.setting.judged(),
        )  # fmt: skip
        return built

    def _adam(self, weights: list[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.Adam(weights, TEMPI[self.tempo][1])


def answer_of(built: System) -> Answer:
    """A system as a function of data."""

    def answer(data: Data) -> Tensor:
        with torch.no_grad():
            found: Tensor = built.eval()(*(data[edge] for edge in built.inputs))
        return found

    return answer


def individual(task: Task) -> Answer:
    """Each model to its own truth, once."""
    return answer_of(task.fit(task.build(), Individual(task.setting.inner), 1))


def in_context(task: Task) -> Answer:
    """Each model to its own truth, on what the models before it answer."""
    return answer_of(task.fit(task.build(), Individual(task.setting.inner, inputs="system"), 2))


def refits(task: Task) -> Answer:
    """As many individual trainings as end-loss has refits, with other random numbers; validation chooses."""
    return _best(task, [task.build(1000 * number + task.seed) for number in range(1 + task.rounds)])


def search(task: Task) -> Answer:
    """As many individual trainings with random settings of the models; validation chooses."""
    found = [settings(task.family, number, task.seed, task.setting.features) for number in range(1 + task.rounds)]
    return _best(task, [task.build(settings=each) for each in found])


def partial(task: Task) -> Answer:
    """Individual, then partial end-loss."""
    return _after_individual(task, task.build(), PartialEndLoss(task.setting.model, task.setting.loss))


def partial_unseen(task: Task) -> Answer:
    """The same, where refits follow the gradient at out-of-bag answers."""
    built = task.build()
    for part in built.modules():
        if isinstance(part, EstimatorModule):
            part.wrapped.unseen = True
    return _after_individual(task, built, PartialEndLoss(task.setting.model, task.setting.loss))


def alternating(task: Task) -> Answer:
    """Individual, then alternating end-loss over all models."""
    return _after_individual(task, task.build(), AlternatingEndLoss(task.setting.loss))


def _after_individual(task: Task, built: System, pattern: TrainingPattern) -> Answer:
    stages = Stages(Individual(task.setting.inner), pattern)
    return answer_of(task.fit(built, stages, (1, task.rounds)))


def _best(task: Task, candidates: list[System]) -> Answer:
    answers = [answer_of(task.fit(each, Individual(task.setting.inner), 1)) for each in candidates]
    return max(answers, key=lambda answer: task.setting.score(answer(task.validation), task.validation))
