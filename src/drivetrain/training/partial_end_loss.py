"""Partial end-loss training: data runs through the whole system, the end loss updates one model (the paper, 4.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from drivetrain.errors import DeclarationError
from drivetrain.graph import System
from drivetrain.graph.execution import describe
from drivetrain.training.base import Perturb, Track, TrainingPattern, end_loss_track, named_models


@dataclass(frozen=True)
class PartialEndLoss(TrainingPattern):
    """Train one model by the loss on the system's output; all other weights stay bitwise the same.

    Attributes:
        model: the model's name (or a sub-system's, for all its models).
        loss: ``loss(prediction, truth)`` on the output, or a dict of losses by edge.
    """

    model: str
    loss: Any
    perturb: Perturb | None = None

    @property
    def name(self) -> str:
        return f"partial end-loss, {self.model}"

    def tracks(self, system: System) -> tuple[Track, ...]:
        if not isinstance(self.model, str):
            raise DeclarationError(
                f"PartialEndLoss takes the name of a model, then the loss; found {describe(self.model)}: "
                f'write PartialEndLoss("{system.models[0] if system.models else "model"}", loss)'
            )
        asker = f'PartialEndLoss("{self.model}")'
        return (end_loss_track(system, self.loss, named_models(system, self.model, asker), asker),)
