"""Alternating end-loss training: the end loss updates one model per turn (the paper, section 4.2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from drivetrain.errors import DeclarationError, listed
from drivetrain.graph import System
from drivetrain.training.base import Perturb, State, Track, TrainingPattern, end_loss_track, named_models


@dataclass(frozen=True)
class AlternatingEndLoss(TrainingPattern):
    """Train one model at a time by the loss on the system's output, in turns.

    Attributes:
        loss: ``loss(prediction, truth)`` on the output, or a dict of losses by edge.
        order: names in the order of their turns, repeated; or a function from the state of training to the name of the
            next model, which may read the named terms of the loss (``state.terms``). None: round robin in order of
            execution.
        every: iterations per turn.
    """

    loss: Any
    order: Sequence[str] | Callable[[State], str] | None = None
    every: int = 1
    perturb: Perturb | None = None

    constant_turns = False

    @property
    def name(self) -> str:
        return "alternating end-loss"

    def tracks(self, system: System) -> tuple[Track, ...]:
        asker = "AlternatingEndLoss"
        if isinstance(self.every, bool) or not isinstance(self.every, int) or self.every < 1:
            raise DeclarationError(
                f"{asker}: a turn lasts a whole number of iterations, at least one, found every={self.every!r}"
            )
        if self.order is None or callable(self.order):
            return (end_loss_track(system, self.loss, None, asker),)
        if not isinstance(self.order, list | tuple) or not self.order:
            raise DeclarationError(
                f"{asker}: order is a list of models such as {listed(system.models)}, found {self.order!r}"
            )
        named = tuple(dict.fromkeys(model for name in self.order for model in named_models(system, name, asker)))
        track = end_loss_track(system, self.loss, named, asker)
        if lost := [name for name in named if name not in track.models]:
            raise DeclarationError(f"{asker}: the loss on {listed(track.truths)} cannot update {listed(lost)}")
        return (track,)

    def turn(self, track: Track, state: State) -> tuple[str, ...]:
        if callable(self.order):
            if state.in_stage % self.every and state.turn:
                return state.turn
            return self._allowed(track, self.order(state))
        order = track.models if self.order is None else tuple(self.order)
        name = order[(state.in_stage // self.every) % len(order)]
        return self._allowed(track, name)

    def _allowed(self, track: Track, name: str) -> tuple[str, ...]:
        models = tuple(model for model in track.models if model == name or model.startswith(f"{name}."))
        if not models:
            raise DeclarationError(
                f"AlternatingEndLoss: the order named {name!r}, which the loss cannot update; "
                f"it can: {listed(track.models)}"
            )
        return models
