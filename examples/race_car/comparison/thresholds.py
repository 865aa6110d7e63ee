"""The fusion's thresholds, tuned on validation for every arm alike: as many trials, and the same ones, for each."""

from itertools import product
from typing import Any

import torch

from drivetrain import System
from examples.race_car.fusion import fusion
from examples.race_car.metrics import cone_f1

BEAM, BOX = (0.1, 0.3, 0.5, 0.7), (0.05, 0.15, 0.3, 0.5)
THRESHOLDS = tuple({"beam_threshold": beam, "box_threshold": box} for beam, box in product(BEAM, BOX))


@torch.no_grad()
def tune(system: System, validation: dict[str, Any]) -> tuple[dict[str, float], float]:
    """The thresholds with the best F1 on validation, the first of equals, and that F1.

    The two models run once; only the fusion, which learns nothing, is tried again and again.
    """
    modes = {name: module.training for name, module in system.named_modules()}
    edges = system.eval().trace({edge: validation[edge] for edge in system.inputs})
    for name, module in system.named_modules():
        module.training = modes[name]
    best: tuple[dict[str, float], float] = ({}, -1.0)
    for thresholds in THRESHOLDS:
        right, number = cone_f1(fusion(edges["boxes"], edges["hits"], edges["scan"], **thresholds), validation["cones"])
        value = float(right.sum() / number.sum())
        best = (thresholds, value) if value > best[1] else best
    return best
