"""Alternating end-loss training: the end loss updates one model per turn (the paper, section 4.2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from drivetrain.errors import DeclarationError, listed
from drivetrain.graph import System
from drivetrain.training.base import Perturb, State, Track, TrainingPattern, end_loss_track, named_models
from drivetrain.training.calling import check_takes
from drivetrain.training.merged_loss import check_branches, check_fork

BRANCHES = "branches"


@dataclass(frozen=True)
class AlternatingEndLoss(TrainingPattern):
    """Train one model at a time by the loss on the system's output, in turns.

    Attributes:
        loss: ``loss(prediction, truth)`` on the output, or a dict of losses by edge.
        order: names in the order of their turns, repeated; or a function from the state of training to the name of the
            next model, which may read the named terms of the loss (``state.terms``). None: round robin in order of
            execution. ``"branches"``, for forks: the turns are those of the branches, each with its own loss; what lies
            before several of them, the trunk, is trained in every turn (the paper, section 5).
        every: iterations per turn.
        trunk_every: with ``"branches"``, in one of how many turns the trunk learns, too; each branch in its time.
    """

    loss: Any
    order: Sequence[str] | Callable[[State], str] | None = None
    every: int = 1
    trunk_every: int = 1
    perturb: Perturb | None = None

    constant_turns = False

    @property
    def name(self) -> str:
        return "alternating end-loss over branches" if self.order == BRANCHES else "alternating end-loss"

    @property
    def interleaved(self) -> int:  # type: ignore[override]
        return self.every if self.order == BRANCHES else 0

    def tracks(self, system: System) -> tuple[Track, ...]:
        asker = "AlternatingEndLoss"
        if isinstance(self.every, bool) or not isinstance(self.every, int) or self.every < 1:
            raise DeclarationError(
                f"{asker}: a turn lasts a whole number of iterations, at least one, found every={self.every!r}"
            )
        if self.order == BRANCHES:
            return self._branches(system, asker)
        if self.trunk_every != 1:
            raise DeclarationError(f'{asker}: trunk_every belongs to order="branches", found order={self.order!r}')
        if callable(self.order):
            check_takes(
                self.order, 1, f"{asker}: order is a list of models, or a function of the state to a model's name"
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
        if self.order == BRANCHES:
            return self._chain(track, state)
        if callable(self.order):
            if state.in_stage % self.every and state.turn:
                return state.turn
            return self._allowed(track, self.order(state))
        order = track.models if self.order is None else tuple(self.order)
        name = order[(state.in_stage // self.every) % len(order)]
        return self._allowed(track, name)

    def _branches(self, system: System, asker: str) -> tuple[Track, ...]:
        """A track per branch: the trunk and what leads to that branch's loss."""
        if self.trunk_every < 1:
            raise DeclarationError(f"{asker}: the trunk learns in one of at least one turns, found {self.trunk_every}")
        check_branches(system, self.loss, f'{asker}(..., order="branches")')
        tracks = [end_loss_track(system, {edge: loss}, None, asker) for edge, loss in self.loss.items()]
        check_fork(system, [loss for track in tracks for loss in track.losses], asker)
        return tuple(replace(track, name=f"branch {track.losses[0].name}") for track in tracks)

    def _chain(self, track: Track, state: State) -> tuple[str, ...]:
        number, branches = state.in_stage // self.every, len(self.loss)
        if (number + number // branches) % self.trunk_every == 0:  # moved on by one a round, so that each has its time
            return track.models
        ways = [{node.name for node in track.system.plan((edge,))} for edge in self.loss]
        own = tuple(name for name in track.models if sum(name in way for way in ways) == 1)
        return own or track.models

    def _allowed(self, track: Track, name: str) -> tuple[str, ...]:
        models = tuple(model for model in track.models if model == name or model.startswith(f"{name}."))
        if not models:
            raise DeclarationError(
                f"AlternatingEndLoss: the order named {name!r}, which the loss cannot update; "
                f"it can: {listed(track.models)}"
            )
        return models
