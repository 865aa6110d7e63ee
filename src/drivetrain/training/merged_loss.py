"""Merged loss for forks: the branches' losses are combined for the trunk, by weights or by an aggregator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

import torch
from torch import Tensor, nn

from drivetrain.errors import DeclarationError, TrainingError, UnknownNameError, listed
from drivetrain.graph import System
from drivetrain.graph.execution import describe
from drivetrain.training.base import Perturb, Track, TrainingPattern, end_loss_track
from drivetrain.training.losses import BoundLoss, total

Aggregator = Callable[[Tensor], Tensor]
"""From a matrix of gradients ``[losses, parameters]`` to one gradient ``[parameters]``; those of TorchJD fit."""


@dataclass(frozen=True)
class MergedLoss(TrainingPattern):
    """Train a fork by the losses of all its branches at once: ``MergedLoss({"light": loss, "sign": loss})``.

    With fixed weights this is simultaneous end-loss training by the weighted sum of the losses. With an aggregator the
    branches' gradients on shared weights (those that more than one loss reaches) become one gradient by its rule, and
    each branch's own weights get the gradient of their own loss; once per batch, also where ``accumulate`` adds up
    several. A loss without any truth in a batch has no row in that batch's matrix.

    Attributes:
        losses: a loss for the output edge of each branch.
        weights: factors of the losses by edge; 1 where none is given.
        aggregator: for instance ``torchjd.aggregation.UPGrad()`` (Quinton and Rey 2024); None adds the gradients up.
            One that remembers former gradients, such as ``NashMTL``, goes on from where it is: hand a new one to each
            ``fit``; what it remembers is in no checkpoint.
    """

    losses: Mapping[str, Any]
    weights: Mapping[str, float] | None = None
    aggregator: Aggregator | None = None
    perturb: Perturb | None = None

    @property
    def name(self) -> str:
        return "merged loss"

    def tracks(self, system: System) -> tuple[Track, ...]:
        asker = "MergedLoss"
        check_branches(system, self.losses, asker)
        factors = self._factors()
        if self.aggregator is not None and not callable(self.aggregator):
            raise DeclarationError(
                f"{asker}: aggregator is a function from gradients [losses, parameters] to one [parameters], "
                f"found {self.aggregator!r}"
            )
        track = end_loss_track(system, self.losses, None, asker)
        check_fork(system, track.losses, asker)
        weighted = tuple(replace(loss, weight=factors[loss.name]) for loss in track.losses)
        return (replace(track, name="merged loss", losses=weighted),)

    def gradients(self, terms: Mapping[str, Tensor], track: Track, scale: Callable[[Tensor], Tensor]) -> None:
        """Fill the gradients of the models: the sum, or what the aggregator makes of the branches' gradients."""
        if self.aggregator is None:
            super().gradients(terms, track, scale)
            return
        totals = [scale(loss) for loss in _by_loss(terms, track.losses) if loss.requires_grad]
        weights = _learning(track)
        rows = [
            torch.autograd.grad(loss, weights, retain_graph=loss is not totals[-1], allow_unused=True)
            for loss in totals
        ]
        for weight, gradient in zip(weights, aggregated(rows, weights, self.aggregator), strict=True):
            if gradient is not None:
                weight.grad = gradient if weight.grad is None else weight.grad + gradient

    def ways_back(self, losses: tuple[BoundLoss, ...]) -> tuple[tuple[BoundLoss, ...], ...]:
        return (losses,) if self.aggregator is None else tuple((loss,) for loss in losses)

    def _factors(self) -> dict[str, float]:
        given = dict(self.weights or {})
        for edge, factor in given.items():
            if edge not in self.losses:
                raise UnknownNameError(
                    f"MergedLoss: weights name '{edge}', which has no loss; there are: {listed(self.losses)}"
                )
            if isinstance(factor, bool) or not isinstance(factor, int | float) or not isfinite(factor) or factor < 0:
                raise DeclarationError(
                    f"MergedLoss: the weight of '{edge}' is {factor!r}; weights are finite numbers from 0 on"
                )
        return {edge: float(given.get(edge, 1.0)) for edge in self.losses}


def check_branches(system: System, losses: Any, asker: str) -> None:
    """Refuse what is not a loss for each of several output edges.

    Raises:
        DeclarationError: it is no dict, has fewer than two losses, or an edge is no output.
        UnknownNameError: the system has no such edge.
    """
    example = ", ".join(f"'{edge}': loss" for edge in system.outputs)
    if not isinstance(losses, Mapping):
        raise DeclarationError(f"{asker} takes a loss for each branch, found {losses!r}; write {asker}({{{example}}})")
    for edge in losses:
        system.graph.check_edge(edge, asker)
        if edge not in system.outputs:
            raise DeclarationError(
                f"{asker}: '{edge}' is no output of {system.name}; a branch ends in one of: {listed(system.outputs)}"
            )
    if len(losses) < 2:
        raise DeclarationError(
            f"{asker}: a fork has at least two branches, each with a loss; given: {listed(losses)}; "
            f"outputs of {system.name} are: {listed(system.outputs)}"
        )


def check_fork(system: System, losses: Sequence[BoundLoss], asker: str) -> None:
    """Refuse branches that have no trunk in common.

    Raises:
        DeclarationError: no weight is reached by more than one of the losses.
    """
    seen: set[int] = set()
    for loss in losses:
        nodes = system.plan(loss.edges)
        own = {id(weight) for node in nodes for weight in node.component.parameters() if weight.requires_grad}
        if own & seen:
            return
        seen |= own
    edges = listed(edge for loss in losses for edge in loss.edges)
    ways = [{node.name for node in system.plan(loss.edges)} for loss in losses]
    trunk = [name for name in system.models if sum(name in way for way in ways) > 1]
    if trunk:
        raise DeclarationError(
            f"{asker}: the trunk {listed(trunk)} of {system.name} has no weights that gradients could train: it learns "
            f"in another way, or all of them are frozen (requires_grad is False); Individual trains its branches"
        )
    raise DeclarationError(
        f"{asker}: {system.name} has no fork before {edges}: no weight is reached by more than one of these losses; "
        f"Individual or SimultaneousEndLoss trains models that share nothing"
    )


def aggregated(
    rows: Sequence[Sequence[Tensor | None]], weights: Sequence[nn.Parameter], aggregator: Aggregator
) -> list[Tensor | None]:
    """One gradient per weight: aggregated where several losses have one, their own where one has.

    Args:
        rows: per loss, its gradient on each weight; None where the loss does not reach the weight.
        weights: all weights that learn.
        aggregator: from ``[losses, parameters]`` to ``[parameters]``.

    Raises:
        TrainingError: the aggregator answered something else.
    """
    found = [[row[place] for row in rows if row[place] is not None] for place in range(len(weights))]
    merged: list[Tensor | None] = [gradients[0] if gradients else None for gradients in found]
    shared = [place for place, gradients in enumerate(found) if len(gradients) > 1]
    if not shared:
        return merged
    reaching = [row for row in rows if any(row[place] is not None for place in shared)]
    matrix = torch.stack([torch.cat([_flat(row[place], weights[place]) for place in shared]) for row in reaching])
    answer = aggregator(matrix)
    if not isinstance(answer, Tensor) or answer.shape != matrix.shape[1:]:
        raise TrainingError(
            f"MergedLoss: the aggregator was given gradients {tuple(matrix.shape)} (losses, parameters) and answered "
            f"{describe(answer)}; it answers one gradient {tuple(matrix.shape[1:])}"
        )
    parts = answer.detach().split([weights[place].numel() for place in shared])
    for place, part in zip(shared, parts, strict=True):
        merged[place] = part.view_as(weights[place]).to(weights[place].dtype, copy=True)
    return merged


def _flat(gradient: Tensor | None, weight: nn.Parameter) -> Tensor:
    return torch.zeros_like(weight).flatten() if gradient is None else gradient.flatten()


def _learning(track: Track) -> list[nn.Parameter]:
    """The weights of the models in turn, each once."""
    every = (weight for name in track.models for weight in track.system.component(name).parameters())
    return list({id(weight): weight for weight in every if weight.requires_grad}.values())


def _by_loss(terms: Mapping[str, Tensor], losses: Sequence[BoundLoss]) -> list[Tensor]:
    """The total of each loss that has terms in this batch; terms are called after it, ``light`` or ``light.red``."""
    totals = []
    for loss in losses:
        own = {name: term for name, term in terms.items() if name == loss.name or name.startswith(f"{loss.name}.")}
        if own:
            totals.append(total(own))
    return totals
