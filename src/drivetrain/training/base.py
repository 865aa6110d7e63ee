"""The contract of a training pattern: which models learn from which losses on which data, and whose turn it is."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from drivetrain.data import Batch, Opened
from drivetrain.errors import DeclarationError, UnknownNameError, listed
from drivetrain.graph import System
from drivetrain.training.losses import BoundLoss, bind, total

Perturb = Callable[..., Any]
"""``perturb(system, batch, loss) -> batch``: changes a batch before the step, for adversarial training.

``loss`` is the pattern's own function of prediction and truth; of several losses one function of two dicts by edge.
"""


@dataclass(frozen=True)
class Track:
    """Models that learn from the same losses on the same stream of data.

    Attributes:
        name: for progress and messages.
        models: those that it may update.
        losses: what it minimises.
        truths: the truth edges that say which data it reads.
        inputs: ``"system"``: values come from the system as it is; ``"truth"``: truth stands in for other models.
        system: the system that it trains; a copy of its own where tracks learn apart.
        own_truth: whether a model that learns by being fitted is fitted to the truth of its own edge.
    """

    name: str
    models: tuple[str, ...]
    losses: tuple[BoundLoss, ...]
    truths: tuple[str, ...]
    inputs: str
    system: System
    own_truth: bool = False


@dataclass(frozen=True)
class Plan:
    """What a callback that has a method ``begin`` is told once, before anything is trained.

    Attributes:
        system: what will be trained.
        patterns: one per stage.
        tracks: for each stage, who learns from which losses on which data.
        data: what it learns from.
        validation: what chooses the weights, where there is any.
        settings: the options of ``fit`` as plain values: epochs, batch size, optimizers, seed.
        seed: what rules everything that is drawn.
    """

    system: System
    patterns: tuple[TrainingPattern, ...]
    tracks: tuple[tuple[Track, ...], ...]
    data: Opened
    validation: Opened | None
    settings: Mapping[str, Any]
    seed: int


@dataclass
class State:
    """Where training stands; what a turn is decided on and what callbacks see.

    Attributes:
        system: the system in training.
        pattern: the pattern of this stage.
        stage: number of the stage, from 0.
        epoch: finished epochs of this stage.
        iteration: updates made so far, over all models and stages.
        in_stage: updates made in this stage.
        terms: the named terms of the loss in the last iteration.
        loss: the loss of the last iteration.
        updates: updates per model.
        history: one row per epoch: losses, terms, validation metrics.
        seconds: time spent, resumed runs included.
        turn: the models that were updated in the last iteration.
        stopped: why training ends before its last epoch, if it does.
        reached: whether it does because ``until`` holds.
    """

    system: System
    pattern: TrainingPattern
    stage: int = 0
    epoch: int = 0
    iteration: int = 0
    in_stage: int = 0
    terms: dict[str, float] = field(default_factory=dict)
    loss: float = math.nan
    updates: Counter[str] = field(default_factory=Counter)
    history: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    turn: tuple[str, ...] = ()
    stopped: str = ""
    reached: bool = False

    def stop(self, why: str = "asked to stop") -> None:
        """End training after this epoch, later stages included; the report says why."""
        self.stopped = self.stopped or why or "asked to stop"


@dataclass
class Moment:
    """What a pattern may know and ask between epochs.

    Attributes:
        epoch: finished epochs of the stage.
        epochs: how many it has.
        samples: by track, how many samples it has learned from in this epoch.
        measure: the metrics of the system as it is now, on validation data; None where there is none.
        score: one number for how good it is now, by which weights are chosen; None where there is no validation.
        readings: by track, reads the samples that it learns from once more, as batches.
        row: what else the pattern wants to tell of this epoch, added to its row of the history.
    """

    epoch: int
    epochs: int
    samples: Sequence[int] = ()
    measure: Callable[[], Mapping[str, float]] | None = None
    score: Callable[[], float] | None = None
    readings: Sequence[Callable[[], Iterator[Batch]]] = ()
    row: dict[str, Any] = field(default_factory=dict)


class TrainingPattern(ABC):
    """A way to train a system. Patterns are values: they hold losses and choices, never weights."""

    perturb: Perturb | None = None
    interleaved = 0  # updates of one track after which the next has its turn; 0: an epoch of each after the other
    processes = 1  # over how many processes tracks that learn apart are spread
    needs_validation = ""  # what of it does, for the message where there is none
    constant_turns = True  # whether the same models learn in every iteration of a track

    @property
    def name(self) -> str:
        """The pattern as the paper calls it."""
        return type(self).__name__

    @abstractmethod
    def tracks(self, system: System) -> tuple[Track, ...]:
        """What will learn from what; everything that was named wrongly is refused here, before data is touched."""

    def turn(self, track: Track, state: State) -> tuple[str, ...]:
        """The models to update in the next iteration."""
        return track.models

    def gradients(self, terms: Mapping[str, Tensor], track: Track, scale: Callable[[Tensor], Tensor]) -> None:
        """Fill the gradients of the models in turn from the terms of the loss."""
        torch.autograd.backward(scale(total(terms)))

    def ways_back(self, losses: tuple[BoundLoss, ...]) -> tuple[tuple[BoundLoss, ...], ...]:
        """The losses of a batch in groups whose gradients ``gradients`` sends back each in a pass of its own."""
        return (losses,)

    def after_epoch(self, tracks: Sequence[Track], system: System, moment: Moment) -> bool:
        """What happens between epochs; answers whether the system itself is up to date now."""
        return True


def end_loss_track(system: System, loss: Any, models: Sequence[str] | None, asker: str) -> Track:
    """The one track of an end-loss pattern: data runs through the whole system.

    Raises:
        DeclarationError: none of the models feeds an edge of the loss.
    """
    losses = bind(system, loss, asker)
    truths = tuple(dict.fromkeys(edge for part in losses for edge in part.edges))
    feeding = {node.name for node in system.plan(truths)}
    able = [name for name in system.models if name in feeding and can_learn(system, name)]
    candidates = system.models if models is None else tuple(models)
    chosen = distinct(system, able) if models is None else tuple(name for name in candidates if name in able)
    if not chosen:
        raise DeclarationError(
            f"{asker}: the loss on {listed(truths)} can update none of: {listed(candidates, 'no models')}; "
            f"a model learns "
            f"when it has weights that require a gradient and lies before {listed(truths)}"
        )
    return Track("end loss", chosen, losses, truths, "system", system)


def named_models(system: System, name: str, asker: str) -> tuple[str, ...]:
    """The models that a name stands for: itself, or all those of a sub-system.

    Raises:
        UnknownNameError: no component is called so; the message lists those there are.
        DeclarationError: it is code.
    """
    inside = tuple(model for model in system.models if model == name or model.startswith(f"{name}."))
    if inside:
        return inside
    names = [node.name for node in system.nodes]
    if name not in names:
        raise UnknownNameError(f"{asker}: no component '{name}' in {system.name}; it has: {listed(names)}")
    raise DeclarationError(f"{asker}: '{name}' is code and does not learn; models are: {listed(system.models)}")


def distinct(system: System, models: Iterable[str]) -> tuple[str, ...]:
    """These models, those left out that share all their weights with earlier ones."""
    seen: set[int] = set()
    kept = []
    for name in models:
        weights = {id(weight) for weight in system.component(name).parameters()}
        if not weights <= seen:
            kept.append(name)
        seen |= weights
    return tuple(kept)


def can_learn(system: System, name: str) -> bool:
    """Whether the model has a weight that is not frozen by its owner."""
    return any(weight.requires_grad for weight in system.component(name).parameters())
