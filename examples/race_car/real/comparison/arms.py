"""The arms of the comparison on the real car: each a training pattern, and what chooses its settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from drivetrain.training import (
    AlternatingEndLoss,
    Individual,
    PartialEndLoss,
    SimultaneousEndLoss,
    Stages,
    State,
    TrainingPattern,
)
from examples.race_car.real.losses import cone_loss, foot_loss, hit_loss, tint_loss

LOSSES = {"hits": hit_loss, "tints": tint_loss, "feet": foot_loss}
MODELS = {"hits": "lidar", "tints": "intensity", "feet": "projection"}
ALONE = Individual(LOSSES)


@dataclass(frozen=True)
class Arm:
    """One way to train the car.

    Attributes:
        name: what the tables call it.
        pattern: how it trains; of two stages the first has half of the epochs.
        selected_by: ``"system"``: learning rate and epoch with the best F1 of cones on layouts left out inside the
            training layouts; ``"own"``: for each model those that are best on its own edge, the paper's way.
    """

    name: str
    pattern: TrainingPattern
    selected_by: Literal["system", "own"] = "system"

    @property
    def staged(self) -> bool:
        """Whether it trains in two stages."""
        return isinstance(self.pattern, Stages)


def by_term(state: State) -> str:
    """The order of alternating training by term: the model whose terms have fallen least takes the turn.

    Existence is the scan model's, colour the intensity model's, position the projection's, which has little else to go
    by; each is compared with its mean in the first epoch, in which the three take turns.
    """
    first = next((row for row in state.history if "existence" in row), None)
    if first is None or not state.terms:
        return ("lidar", "intensity", "projection")[state.in_stage % 3]
    terms = {"lidar": "existence", "intensity": "colour", "projection": "position"}
    return max(terms, key=lambda model: state.terms[terms[model]] / max(first[terms[model]], 1e-9))


BASELINE = "individual"

# Labels of the beams are computed from the end labels on the real car anyway, so that "labels projected from the end
# labels" is individual training without what the boxes say: the projection stays as it was calibrated.
ARMS = {
    arm.name: arm
    for arm in (
        Arm(BASELINE, ALONE, selected_by="own"),
        Arm("individual, selected by system", ALONE),
        Arm("individual, end labels alone", Individual({"hits": hit_loss, "tints": tint_loss})),
        Arm("partial: lidar", PartialEndLoss("lidar", cone_loss)),
        Arm("partial: intensity", PartialEndLoss("intensity", cone_loss)),
        Arm("simultaneous", SimultaneousEndLoss(cone_loss)),
        Arm("alternating", AlternatingEndLoss(cone_loss)),
        Arm("alternating by term", AlternatingEndLoss(cone_loss, order=by_term)),
        Arm("individual, then partial: lidar", Stages(ALONE, PartialEndLoss("lidar", cone_loss))),
        Arm("individual, then partial: intensity", Stages(ALONE, PartialEndLoss("intensity", cone_loss))),
        Arm("individual, then partial: projection", Stages(ALONE, PartialEndLoss("projection", cone_loss))),
        Arm("individual, then simultaneous", Stages(ALONE, SimultaneousEndLoss(cone_loss))),
        Arm("individual, then alternating", Stages(ALONE, AlternatingEndLoss(cone_loss))),
    )
}
