"""The real car's fusion with a camera model in place of recorded boxes: hard after suppression, relaxed before it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from drivetrain import component
from drivetrain.gradients import relaxed
from examples.race_car.models import OBJECTNESS, YELLOW, decoded
from examples.race_car.real.dataset import BOXES
from examples.race_car.real.fusion import DEFAULT_RULES, HALF_WIDTH, Rules, evidence, fuse
from examples.race_car.real.models import in_picture
from examples.race_car.real.segments import places, segments, sum_by_slot

SCALE, TOP = 2, 240  # a photo is the recorded picture, 2048 x 1536 pixels, halved, from this row on
PHOTO = (256, 1024)  # rows, columns; 99 of 100 recorded boxes begin below row 250 and end above row 755
SURE = 0.3  # probability from which a cell is a box; that of the simulated fusion
OVERLAP = 0.5  # from which the less sure of two boxes goes
RAW = 192  # surest cells of a picture that the relaxed fusion reads; it has 38 boxes at most
SHARPNESS = 1.5  # how decidedly a slot listens to its most certain beams, as in `real.relaxation`
SIGNATURE = "scan, hits, tints, feet, grid -> cones"


def photo_fusion() -> Any:
    """The fusion as a component: relaxed in training, value and gradient, and hard in evaluation."""
    return relaxed(component("fusion", hard, SIGNATURE), soft)


def hard(scan: Tensor, hits: Tensor, tints: Tensor, feet: Tensor, grid: Tensor) -> Tensor:
    """Cones [batch, 128, 4] by `real.fusion.fuse`, from the boxes of a raw grid that survive suppression of overlaps.

    scan, hits, tints, feet: as in the real car; grid: [batch, 6, rows, columns], raw, of a photo of half the size.
    """
    return fuse(scan, hits, tints, feet, boxes_of(grid))


def boxes_of(grid: Tensor) -> Tensor:
    """Rows [batch, 64, 6] in the recorded form: left, top, right, bottom in full pixels; yellow, present."""
    from torchvision.ops import nms

    answer = grid.new_zeros(len(grid), BOXES, 6)
    answer[..., 4] = 0.5
    for frame, raw in enumerate(grid.detach()):
        sure = raw[OBJECTNESS].flatten().sigmoid()
        corners = _corners(raw[None])[0]
        cells = (sure > SURE).nonzero().flatten()
        cells = cells[nms(corners[cells], sure[cells], OVERLAP)][:BOXES]
        yellow = (raw[YELLOW].flatten()[cells] > 0).to(grid)
        present = torch.ones_like(yellow)
        answer[frame, : len(cells)] = torch.cat([corners[cells], yellow[:, None], present[:, None]], dim=1)
    return answer


def soft(scan: Tensor, hits: Tensor, tints: Tensor, feet: Tensor, grid: Tensor, rules: Rules = DEFAULT_RULES) -> Tensor:
    """The same, differentiable in hits, tints, feet and the raw grid: the surest cells all speak, by their weight.

    A slot is seen as far as the surest cell with its foot near the slot's is (a softmax-weighted mean stands for the
    maximum, which is what suppression does); the colour is that of the cells by weight.
    """
    slot = segments(scan)
    logits = evidence(hits, tints, rules)
    weight = torch.sigmoid(SHARPNESS * (logits - rules.threshold)) + 1e-6
    total = sum_by_slot(weight[:, None], slot)
    filled = total[:, 0] > 0

    def mean(values: Tensor) -> Tensor:
        return sum_by_slot(weight[:, None] * values, slot) / total.clamp(min=1e-6)

    middle, belief = mean(places(scan)), mean(logits[:, None])[:, 0]
    colour = mean((tints[:, 2] - tints[:, 1])[:, None])[:, 0]
    foot = mean(torch.nan_to_num(feet, nan=9.0))
    seen, said = _seen(foot, grid, rules)
    belief = belief + rules.support * seen - rules.doubt * (1 - seen) * in_picture(foot, rules.margin)
    colour = (1 - seen) * colour + seen * said
    x, y = (middle * (1 + rules.setback / middle.norm(dim=1, keepdim=True).clamp(min=1e-3))).unbind(1)
    cones = torch.stack([x, y, torch.sigmoid(belief), torch.sigmoid(colour)], dim=2)
    return torch.where(filled[:, :, None], cones, torch.zeros_like(cones))


def _seen(foot: Tensor, grid: Tensor, rules: Rules) -> tuple[Tensor, Tensor]:
    """How far the camera sees each slot, 0 to 1, and the logit of yellow that it says: [batch, slots] each."""
    cells = grid[:, OBJECTNESS].flatten(1).topk(RAW, dim=1).indices
    sure = torch.sigmoid(grid[:, OBJECTNESS].flatten(1).gather(1, cells))
    yellow = grid[:, YELLOW].flatten(1).gather(1, cells).clamp(-5, 5)  # 5: what a recorded box says
    left, top, right, bottom = _corners(grid).gather(1, cells[..., None].expand(-1, -1, 4)).unbind(2)
    box_foot = torch.stack([(left + right) / 2 - 1024.0, bottom - 768.0], dim=2) / HALF_WIDTH
    gate = (rules.gate_pixels + rules.gate_heights * (bottom - top)) / HALF_WIDTH
    offset = foot.transpose(1, 2)[:, :, None] - box_foot[:, None]
    squared = offset.square().sum(3) / gate.square()[:, None]
    weight = sure[:, None] * torch.sigmoid(4.0 * (1.0 - squared)) * (squared < 4.0)  # as for recorded boxes
    seen = (weight * torch.softmax(weight / 0.1, dim=2)).sum(2)
    return seen, (weight * yellow[:, None]).sum(2) / (weight.sum(2) + 1e-4)


def _corners(grid: Tensor) -> Tensor:
    """Left, top, right, bottom of every cell's box in pixels of the recorded picture, [batch, cells, 4]."""
    x, y, width, height = (SCALE * value for value in decoded(grid).flatten(2).unbind(1))
    y = y + TOP
    return torch.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], dim=2)
