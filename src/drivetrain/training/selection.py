"""Which weights are kept: the best of all epochs by validation, for the system as a whole or model by model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from drivetrain.graph import System

START = 0
"""The epoch before training; its weights win only if no epoch is as good."""


class Best:
    """The best weights so far of a group of models that are chosen together.

    Attributes:
        models: whose weights they are.
        score: more is better.
        epoch: when they were seen; 0 is before training.
    """

    def __init__(self, system: System, models: Sequence[str]) -> None:
        self.system = system
        self.models = tuple(models)
        self.score = -torch.inf
        self.epoch = START
        self.weights: dict[str, dict[str, Tensor]] = {}

    def offer(self, score: float, epoch: int) -> bool:
        """Keep the weights of now if they are better; the start yields to any epoch that is as good."""
        better = (
            not self.weights or score > self.score or (self.epoch == START and epoch > START and score >= self.score)
        )
        if better:
            self.score, self.epoch, self.weights = score, epoch, snapshot(self.system, self.models)
        return better

    def restore(self) -> None:
        """Put the best weights back into the system."""
        if self.weights:
            put_back(self.system, self.weights)

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to go on later."""
        return {"score": float(self.score), "epoch": self.epoch, "weights": self.weights}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what ``state_dict`` answered."""
        self.score, self.epoch, self.weights = state["score"], state["epoch"], state["weights"]


def snapshot(system: System, models: Sequence[str]) -> dict[str, dict[str, Tensor]]:
    """Copies of the weights and statistics of some models."""
    return {
        name: {key: value.detach().clone() for key, value in system.component(name).state_dict().items()}
        for name in models
    }


def put_back(system: System, weights: Mapping[str, Mapping[str, Tensor]]) -> None:
    """Write weights back in place; optimizers and shared weights keep pointing at the same tensors."""
    for name, kept in weights.items():
        system.component(name).load_state_dict(kept)
