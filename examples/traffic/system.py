"""The system: a detector, code that crops, two readers, and code that reports each branch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from drivetrain import System, component, relaxed, system
from drivetrain.graph.component import Component

from .crops import crop
from .models import Detector, lamp_reader, plate_reader

THRESHOLD = 0.0  # nothing is dropped until validation has said from where on: ``case.tune``


def untrained(seed: int = 0) -> System:
    """The system with untrained models."""
    torch.manual_seed(seed)
    detector = component("detector", Detector(), "picture -> map")
    lamp = component("lamp", lamp_reader(seed), "lamps[] -> states[]")
    plate = component("plate", plate_reader(seed), "plates -> classes")
    light_report, sign_report = light_reporter(), sign_reporter()

    @system
    def street(picture: Any) -> Any:
        spots, lamps, plates = crop(detector(picture), picture)
        return light_report(spots, lamp(lamps)), sign_report(spots, plate(plates))

    return street


def light_reporter(threshold: float = THRESHOLD) -> Component:
    """Spots and the states' probabilities -> lights [batch, 4, 4 + 2]: place, size, probability of green and of red."""

    @component("spots, states[] -> lights")
    def light_report(spots: Tensor, states: list[Tensor]) -> Tensor:
        return over(soft_lights(spots, states), threshold)

    return relaxed(light_report, soft_lights, changes="value")


def sign_reporter(threshold: float = THRESHOLD) -> Component:
    """Spots and the classes' logits -> signs [batch, 4, 4 + 13]."""

    @component("spots, classes -> signs")
    def sign_report(spots: Tensor, classes: Tensor) -> Tensor:
        return over(soft_signs(spots, classes), threshold)

    return relaxed(sign_report, soft_signs, changes="value")


def soft_lights(spots: Tensor, states: list[Tensor]) -> Tensor:
    """The relaxation: nothing is dropped."""
    return _reported(spots[:, 0], torch.stack(list(states))[..., :-1])


def soft_signs(spots: Tensor, classes: Tensor) -> Tensor:
    """The relaxation: nothing is dropped."""
    return _reported(spots[:, 1], classes.softmax(-1)[..., :-1])


def over(found: Tensor, threshold: float) -> Tensor:
    """What is less likely than the threshold is not reported: its probabilities become zero."""
    return torch.cat([found[..., :4], torch.where(found[..., 4:] > threshold, found[..., 4:], 0.0)], -1)


def _reported(spots: Tensor, chances: Tensor) -> Tensor:
    return torch.cat([spots[..., 1:], spots[..., :1].sigmoid() * chances.to(spots)], -1)
