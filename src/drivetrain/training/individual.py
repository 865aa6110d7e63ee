"""Individual training: each model learns on its own data and its own truth (the paper, section 4.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from drivetrain.components.fitting import fitting
from drivetrain.errors import DeclarationError, listed
from drivetrain.graph import System
from drivetrain.training.base import Perturb, Track, TrainingPattern, can_learn
from drivetrain.training.losses import BoundLoss, bind


@dataclass(frozen=True)
class Individual(TrainingPattern):
    """Train each model alone: ``Individual({"boxes": box_loss, "hits": hit_loss})``.

    A model that learns by being fitted, such as one of scikit-learn, is fitted to the truth by its own rules; its loss
    is computed to be reported.

    Attributes:
        losses: a loss for each edge that a model makes; models without one keep their weights.
        inputs: ``"truth"``: the truth stands in for the models before it, the state of the art in the paper;
            ``"system"``: training in context, inputs come from the models before it as they are.
    """

    losses: Mapping[str, Any]
    inputs: Literal["truth", "system"] = "truth"
    perturb: Perturb | None = None

    @property
    def name(self) -> str:
        return "individual" if self.inputs == "truth" else "individual, in context"

    def tracks(self, system: System) -> tuple[Track, ...]:
        if self.inputs not in ("truth", "system"):
            raise DeclarationError(f'Individual: inputs is "truth" or "system", found {self.inputs!r}')
        if not isinstance(self.losses, Mapping):
            raise DeclarationError(
                f"Individual takes a loss for each model's edge: Individual({{'{_edges(system)[0]}': loss}}); "
                f"edges of models: {listed(_edges(system))}"
            )
        by_model: dict[str, list[BoundLoss]] = {}
        for loss in bind(system, self.losses, "Individual"):
            for model in {self._model(system, edge): None for edge in loss.edges}:
                by_model.setdefault(model, []).append(loss)
        order = [model for model in system.models if model in by_model]
        return tuple(self._track(system, model, tuple(by_model[model])) for model in order)

    def _track(self, system: System, model: str, losses: tuple[BoundLoss, ...]) -> Track:
        if not can_learn(system, model):
            raise DeclarationError(f"Individual: every weight of '{model}' is frozen (requires_grad is False)")
        truths = tuple(dict.fromkeys(edge for loss in losses for edge in loss.edges))
        own = len(truths) == 1 and fitting(system.component(model)) is not None
        return Track(model, (model,), losses, truths, self.inputs, system, own_truth=own)

    def _model(self, system: System, edge: str) -> str:
        node = system.graph.producer[edge]
        if not node.component.learns:
            raise DeclarationError(
                f"Individual: edge '{edge}' is made by '{node.name}', which is code and does not learn; "
                f"edges of models: {listed(_edges(system))}"
            )
        return node.name


def _edges(system: System) -> list[str]:
    return [edge for node in system.nodes if node.component.learns for edge in node.makes] or ["edge"]
