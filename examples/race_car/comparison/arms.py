"""The arms of the comparison: each a training pattern, the labels it reads, and what chooses its weights."""

from dataclasses import dataclass
from typing import Literal

from drivetrain.training import (
    AlternatingEndLoss,
    Individual,
    PartialEndLoss,
    SimultaneousEndLoss,
    Stages,
    TrainingPattern,
)
from examples.race_car.losses import box_loss, cone_loss, hit_loss

from .routing import RoutedEndLoss, by_term

ALONE = Individual({"boxes": box_loss, "hits": hit_loss})


@dataclass(frozen=True)
class Arm:
    """One way to train the race car.

    Attributes:
        name: what the tables call it.
        pattern: how it trains; two stages share the epochs half and half.
        selected_by: ``"system"``: the epoch with the best F1 of cones on validation; ``"own"``: for each model the
            epoch that is best on its own edge, the paper's way.
        labels: ``"annotated"``, or ``"projected"``: inner truths are computed from the end labels.
        curve: whether it runs on parts of the data too; one arm for each pattern and baseline does.
    """

    name: str
    pattern: TrainingPattern
    selected_by: Literal["system", "own"] = "system"
    labels: Literal["annotated", "projected"] = "annotated"
    curve: bool = False

    def epochs(self, total: int) -> int | tuple[int, int]:
        """Readings of the data: all arms read it equally often."""
        return (total // 2, total - total // 2) if isinstance(self.pattern, Stages) else total


BASELINE = "individual"

# Existence routed to both models, colour to the camera and position to the lidar, is no arm of its own: the fusion
# reads places off the beams and colours off the boxes, so that this is simultaneous training, to the last bit.
ARMS = {
    arm.name: arm
    for arm in (
        Arm(BASELINE, ALONE, selected_by="own", curve=True),
        Arm("individual, selected by system", ALONE),
        Arm("individual, projected labels", ALONE, labels="projected", curve=True),
        Arm("partial: camera", PartialEndLoss("camera", cone_loss)),
        Arm("partial: lidar", PartialEndLoss("lidar", cone_loss)),
        Arm("simultaneous", SimultaneousEndLoss(cone_loss), curve=True),
        Arm(
            "simultaneous, routed",
            RoutedEndLoss(cone_loss, {"camera": ("colour",), "lidar": ("existence", "position")}),
        ),
        Arm("alternating", AlternatingEndLoss(cone_loss), curve=True),
        Arm("alternating by term", AlternatingEndLoss(cone_loss, order=by_term), curve=True),
        Arm("individual, then partial: camera", Stages(ALONE, PartialEndLoss("camera", cone_loss)), curve=True),
        Arm("individual, then partial: lidar", Stages(ALONE, PartialEndLoss("lidar", cone_loss))),
        Arm("individual, then simultaneous", Stages(ALONE, SimultaneousEndLoss(cone_loss)), curve=True),
        Arm("individual, then alternating", Stages(ALONE, AlternatingEndLoss(cone_loss))),
        Arm(
            "projected, then simultaneous",
            Stages(ALONE, SimultaneousEndLoss(cone_loss)),
            labels="projected",
            curve=True,
        ),
    )
}


def at(share: float) -> tuple[str, ...]:
    """The arms that run on a share of the data: all of them on all of it."""
    return tuple(name for name, arm in ARMS.items() if share == 1 or arm.curve)
