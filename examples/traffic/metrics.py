"""How the system is judged: the right class at the right place; and the detector alone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from drivetrain import Metric

from .crops import GRID, candidates
from .overlaps import overlaps
from .picture import FAMILIES
from .system import over

ENOUGH = 0.5  # overlap
LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)  # thresholds between which an epoch is not to be chosen by luck


def right_at_place(found: Tensor, truth: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """F1: right is a candidate with a probability, of the true class, that overlaps a true object by half."""
    right, number = torch.zeros(len(found)), torch.zeros(len(found))
    for row, (spots, objects) in enumerate(zip(found, truth, strict=True)):
        best, kind = spots[:, 4:].max(1)
        order = best.argsort(descending=True)
        said = [int(place) for place in order if best[place] > 0]
        shared = overlaps(spots[:, :4], objects[:, 1:].to(spots))
        left = set(range(len(objects)))
        for place in said:
            fits = [o for o in left if shared[place, o] >= ENOUGH and int(objects[o, 0]) == int(kind[place])]
            if fits:
                left.remove(max(fits, key=lambda o: float(shared[place, o])))
        right[row], number[row] = 2 * (len(objects) - len(left)), len(said) + len(objects)
    return right, number


def right_at_every_level(found: Tensor, truth: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """F1 pooled over thresholds: what epochs are chosen by, since the report's threshold is only tuned afterwards.

    found: of a report that drops nothing.
    """
    told = [right_at_place(over(found, level), truth) for level in LEVELS]
    return torch.stack([right for right, _ in told]).sum(0), torch.stack([number for _, number in told]).sum(0)


def candidate_recall(found: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Of the true objects, those that a candidate overlaps by half: what the readers can still get right."""
    spots = candidates(found)
    right, number = torch.zeros(len(found)), torch.zeros(len(found))
    for row in range(len(found)):
        for family in range(len(FAMILIES)):
            boxes = boxes_of(truth[row, family])
            if len(boxes):
                shared = overlaps(spots[row, family, :, 1:], boxes.to(spots))
                right[row] += float((shared.amax(0) >= ENOUGH).sum())
                number[row] += len(boxes)
    return right, number


def boxes_of(truth: Tensor) -> Tensor:
    """The boxes [objects, 4] that a family's part of a truth map [5, 20, 20] tells."""
    row, column = (truth[0] == 1).nonzero(as_tuple=True)
    x, y, width, height = truth[1:, row, column]
    return torch.stack([(column + x) / GRID, (row + y) / GRID, width.exp() / GRID, height.exp() / GRID], 1)


LIGHTS, SIGNS = (Metric(right_at_place, family, name=f"F1 of {family}") for family in FAMILIES)
CHOOSING = tuple(Metric(right_at_every_level, family, name=f"F1 of {family} at all levels") for family in FAMILIES)
RECALL = Metric(candidate_recall, "map", name="recall of candidates")
