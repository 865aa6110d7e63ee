"""What the models and the system are trained by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from .overlaps import overlaps


def map_loss(found: Tensor, truth: Tensor, *, recall: float = 1.0) -> dict[str, Tensor]:
    """Is an object's centre in the cell, and where around it lies its box; NaN is not labelled.

    Heat: the focal loss with fewer penalties near a centre (Law and Deng 2018, eq. 1). Box: distances in its own sizes.
    recall: how much more a missed object costs than an invented one.
    """
    heat, logit = truth[:, :, 0], found[:, :, 0]
    known, centre = ~heat.isnan(), heat == 1
    chance = logit.sigmoid()
    missed = (centre * (1 - chance).square() * -F.logsigmoid(logit)).sum()
    away = torch.where(known & ~centre, 1 - heat.nan_to_num(), 0.0).pow(4)
    invented = (away * chance.square() * -F.logsigmoid(-logit)).sum()
    count = centre.sum().clamp(min=1)
    near = ~truth[:, :, 1].isnan()
    told, box = truth.movedim(2, -1)[near][:, 1:], found.movedim(2, -1)[near][:, 1:]
    weight = heat[near].nan_to_num()[:, None]
    place = (weight * F.smooth_l1_loss(box[:, :2], told[:, :2], reduction="none", beta=0.5) / told[:, 2:].exp()).sum()
    size = (weight * F.smooth_l1_loss(box[:, 2:], told[:, 2:], reduction="none", beta=0.1)).sum()
    boxes = weight.sum().clamp(min=1)
    return {"missed": recall * missed / count, "invented": invented / count, "box": (2 * place + size) / boxes}


def states_loss(states: Any, truth: Any) -> Tensor:
    """Of lights: states are probabilities, a list of [candidates, 3]; truth classes, a list of [candidates]."""
    chances = torch.stack(list(states)).flatten(0, 1)
    return F.nll_loss(chances.clamp(min=1e-4).log(), torch.stack(list(truth)).flatten())


def classes_loss(classes: Tensor, truth: Tensor) -> Tensor:
    """Of signs: classes are logits [batch, candidates, 14]."""
    return F.cross_entropy(classes.flatten(0, 1), truth.flatten())


def scene_loss(found: Tensor, truth: Sequence[Tensor]) -> dict[str, Tensor]:
    """The end loss of a branch, in three terms.

    found [batch, candidates, 4 + classes]: place, size, probability of each class. truth: [objects, 5] a picture.
    Each true object takes the candidate that overlaps it most, if any does by a third; *right*: minus the log
    probability of its class there; *invented*: minus the log probability that the other candidates show nothing;
    *place*: one minus the overlap. An object that no candidate overlaps has no gradient: nothing later can recover it.
    """
    right, invented, place = [found.sum() * 0], [found.sum() * 0], [found.sum() * 0]
    for spots, objects in zip(found, truth, strict=True):
        chances = spots[:, 4:].clamp(1e-4, 1 - 1e-4)
        free = torch.ones(len(spots), dtype=torch.bool)
        shared = overlaps(spots[:, :4], objects[:, 1:].to(spots))
        for number in range(len(objects)):
            best = int(shared[:, number].argmax())
            if shared[best, number] > 1 / 3 and free[best]:
                free[best] = False
                right.append(-chances[best, int(objects[number, 0])].log())
                place.append(1 - shared[best, number])
        nothing = (1 - chances.sum(1)).clamp(min=1e-4)
        invented.append(-nothing[free].log().sum())
    count = max(sum(len(objects) for objects in truth), 1)
    parts = {"right": right, "invented": invented, "place": place}
    return {name: torch.stack([part.reshape(()) for part in found]).sum() / count for name, found in parts.items()}
