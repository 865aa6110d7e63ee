"""How the system is judged: the right class at the right place; and the detector alone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from drivetrain import Metric

from .crops import GRID, candidates
from .overlaps import overlaps
from .picture import FAMILIES

ENOUGH = 0.5  # overlap


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
RECALL = Metric(candidate_recall, "map", name="recall of candidates")
