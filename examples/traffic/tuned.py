"""``python -m examples.traffic.tuned``: does merged loss lose by its rate, the way through readers, or by no own loss?

Merged loss as in ``comparison``, and with either or both of two changes, each with several rates to choose from.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor

from drivetrain import System, component, evaluate
from drivetrain.evaluation import Rows
from drivetrain.training import SimultaneousEndLoss
from drivetrain.training.base import Track
from examples.protocol import Arm, Case, Splits
from examples.protocol.command import command

from .case import BRANCHES, END, arms, fork, tune, with_both
from .crops import crop
from .losses import map_loss
from .metrics import LIGHTS, SIGNS
from .pictures import DATA, HELD_OUT, collection
from .samples import Scenes, judged
from .start import build

RATES = (1e-4, 3e-4, 1e-3)
EPOCHS = 4
KEPT = {"map": map_loss, **BRANCHES}


@dataclass(frozen=True)
class NotThroughReaders(SimultaneousEndLoss):
    """The end loss reaches the detector by places and probabilities of the spots, not by what readers saw in them."""

    def tracks(self, system: System) -> tuple[Track, ...]:
        return super().tracks(system.replace(crop=crop_for_looking))


@component("map, picture -> spots, lamps[], plates")
def crop_for_looking(map: Tensor, picture: Tensor) -> tuple[Tensor, list[Tensor], Tensor]:  # noqa: A002
    """``crop``, whose cuttings have no way back to the map."""
    spots, lamps, plates = crop(map, picture)
    return spots, [one.detach() for one in lamps], plates.detach()


def tuned() -> Case:
    """The case of ``comparison`` with other arms and more rates."""
    case, every = fork(), arms()
    merged = {
        "merged loss": every["merged loss"],
        "merged loss, not through the readers": Arm(NotThroughReaders(BRANCHES), labels=END),
        "merged loss, the detector's own kept": Arm(SimultaneousEndLoss(KEPT), labels=END),
        "merged loss, own kept, not through the readers": Arm(NotThroughReaders(KEPT), labels=END),
    }
    about = (
        " Where the detector's own loss is kept, it is added to the end losses with weight one, on a map made of the "
        "end labels, so that no label is added; patterns that take losses of outputs alone, such as an aggregator, "
        "cannot keep it. Not through the readers: what readers see is cut out without a way back to the detector. "
        "Individual training also mirrors pictures, which turns the numbers on signs around and is not done where a "
        "reader sees them. The cost is noted after the last epoch alone. Gain over the start is of test pictures; "
        "detector of the start is the share of seeds that kept it, since no epoch was better on validation."
    )
    return replace(
        case, arms={"individual": every["individual"], **merged}, rates=RATES, epochs=EPOCHS, every=EPOCHS, also=gains,
        corruptions={"pictures with both": with_both}, about=case.about.partition(" Gaps are")[0] + about,
    )  # fmt: skip


def gains(system: System, splits: Splits, seed: int) -> dict[str, float]:
    """What an arm gained on test pictures over the start of its seed, and whether it kept that start's detector."""
    begun, before = _begun(seed)
    weights = system.component("detector").state_dict().items()
    same = all(torch.equal(value, begun[name]) for name, value in weights)
    return {"gain over the start": _f1(system, splits.test) - before, "detector of the start": float(same)}


@lru_cache(maxsize=1)
def _begun(seed: int) -> tuple[dict[str, Tensor], float]:
    """The start's detector, and its F1 on test pictures with thresholds tuned like those of an arm."""
    found, system = collection(), build(seed)
    ready, _ = tune(system, judged(found.valid))
    return dict(system.component("detector").state_dict()), _f1(ready, Scenes(found.test))


def _f1(system: System, scenes: Scenes) -> float:
    """Over both branches together."""
    report = evaluate(system, scenes, {metric.edge: metric for metric in (LIGHTS, SIGNS)}, show_progress=False)
    return Rows.joined(report.rows.values()).value


if __name__ == "__main__":
    command(
        "examples.traffic.tuned:tuned", "python -m examples.traffic.tuned", default_out="report/traffic-tuned",
        folders={"data": DATA, "held_out": HELD_OUT},
    )  # fmt: skip
