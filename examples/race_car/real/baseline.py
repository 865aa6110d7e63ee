"""Trains every model alone, leaving out one track layout at a time, and scores the sessions left out.

Run it from the repository: ``python -m examples.race_car.real.baseline``.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from rich.console import Console

from drivetrain import System, fit
from drivetrain.training import (
    AlternatingEndLoss,
    Individual,
    PartialEndLoss,
    SimultaneousEndLoss,
    Stages,
    TrainingPattern,
)
from examples.race_car.real.calibration import calibrate
from examples.race_car.real.committee import committee
from examples.race_car.real.dataset import leave_one_layout_out, load
from examples.race_car.real.fusion import DEFAULT_RULES
from examples.race_car.real.judging import audit_words, judged, table
from examples.race_car.real.losses import cone_loss, foot_loss, hit_loss, tint_loss
from examples.race_car.real.sessions import session_names
from examples.race_car.real.system import build, soft_fusion

ALONE = Individual({"hits": hit_loss, "tints": tint_loss, "feet": foot_loss})


@dataclass(frozen=True)
class Recipe:
    """A training pattern with the settings that were best on pairs of layouts left out.

    Attributes:
        pattern: how it trains; two stages share the epochs half and half.
        caution: of the fusion.
        intensity: the learning rate of the intensity model; the scan model's is 0.004 and the projection's, which
            starts from its calibration, a hundredth of that.
    """

    pattern: TrainingPattern
    caution: float
    intensity: float = 4e-3

    def epochs(self, total: int) -> int | tuple[int, int]:
        """Readings of the data, of each stage if there are two."""
        return (total // 2, total - total // 2) if isinstance(self.pattern, Stages) else total


RECIPES = {
    "individual": Recipe(ALONE, caution=1.0, intensity=1e-3),
    "simultaneous": Recipe(SimultaneousEndLoss(cone_loss), caution=0.0),
    "alternating": Recipe(AlternatingEndLoss(cone_loss), caution=-0.5),
    "individual-lidar": Recipe(Stages(ALONE, PartialEndLoss("lidar", cone_loss)), caution=-0.5),
    "individual-simultaneous": Recipe(Stages(ALONE, SimultaneousEndLoss(cone_loss)), caution=0.0),
}


def train(data: dict[str, Any], recipe: Recipe = RECIPES["individual"], *, epochs: int = 8, seed: int = 0) -> System:
    """The system trained on `data`, by default every model alone; the projection from its calibration on."""
    system = build(calibrate(data), seed=seed)
    rates = {"lidar": 4e-3, "intensity": recipe.intensity}
    optimizer: dict[str, Any] = {
        model: partial(torch.optim.AdamW, lr=rate, weight_decay=0.02) for model, rate in rates.items()
    }
    optimizer["projection"] = partial(torch.optim.Adam, lr=4e-5)
    fit(
        system,
        data,
        recipe.pattern,
        epochs=recipe.epochs(epochs),
        batch_size=16,
        optimizer=optimizer,
        clip=1.0,
        seed=seed,
    )
    return ready(system, recipe)


def ready(system: System, recipe: Recipe) -> System:
    """The system with the fusion's caution that goes with its training."""
    return system.replace(fusion=soft_fusion(replace(DEFAULT_RULES, caution=recipe.caution)))


def main() -> None:
    """Prints the leave-one-layout-out table and the audit of the inventions."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--path", help="folder with labels/, points/, metadata/; default: see docs/race-car-real.md")
    parser.add_argument("--epochs", type=int, default=8, help="readings of the training sessions (default 8)")
    parser.add_argument("--seed", type=int, default=0, help="of the first member's weights and order (default 0)")
    parser.add_argument("--members", type=int, default=3, help="trainings that answer together (default 3)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    console, found = Console(width=120, highlight=False), []
    for layout, others, own in leave_one_layout_out(session_names(options.path)):
        console.print(f"layout {layout} is left out; training on {len(others)} sessions of others")
        seeds = range(options.seed, options.seed + options.members)
        system = committee([train(load(others, options.path), epochs=options.epochs, seed=seed) for seed in seeds])
        found += [judged(system, name, options.path) for name in own]
    console.print(table(found, "individual training, leave one layout out"))
    for sentence in audit_words(found):
        console.print(sentence)


if __name__ == "__main__":
    main()
