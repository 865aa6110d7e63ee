"""The fusion once more, written so that a gradient flows through it: every decision of `fusion.py` becomes a weight."""

from __future__ import annotations

import torch
from torch import Tensor

from examples.race_car.real.fusion import DEFAULT_RULES, Rules, evidence
from examples.race_car.real.models import in_picture, nearness_to_boxes
from examples.race_car.real.segments import places, segments, sum_by_slot

SHARPNESS = 1.5  # how decidedly a slot listens to its most certain beams


def relaxed_fuse(
    scan: Tensor, hits: Tensor, tints: Tensor, feet: Tensor, boxes: Tensor, rules: Rules = DEFAULT_RULES
) -> Tensor:
    """Cones [B, 128, 4] as `fusion.fuse` answers them, differentiable in `hits`, `tints` and `feet`.

    It changes the value as well as the gradient: beams are weighted instead of kept, boxes are shared instead of
    assigned, and a slot without a cone has a small existence instead of zeros.
    """
    slot, place = segments(scan), places(scan)
    logits = evidence(hits, tints, rules)
    weight = torch.sigmoid(SHARPNESS * (logits - rules.threshold)) + 1e-6
    total = sum_by_slot(weight[:, None], slot)[:, 0]
    filled = total > 0
    norm = total.clamp(min=1e-6)

    def mean(values: Tensor) -> Tensor:
        return sum_by_slot(weight[:, None] * values, slot) / norm[:, None]

    middle = mean(place)
    belief = mean(logits[:, None])[:, 0]
    colour = mean((tints[:, 2] - tints[:, 1])[:, None])[:, 0]
    foot = mean(torch.nan_to_num(feet, nan=9.0))
    match, boxed_colour, knows = _share_boxes(foot, torch.sigmoid(belief), boxes, rules)
    looked = (boxes[:, :, 5] >= 0).all(1)[:, None]
    expected = looked & in_picture(foot, rules.margin)
    belief = belief - rules.caution + rules.support * match - rules.doubt * (1 - match) * expected
    colour = (1 - match * knows) * colour + match * knows * boxed_colour

    reach = middle.norm(dim=1, keepdim=True).clamp(min=1e-3)
    x, y = (middle * (1 + rules.setback / reach)).unbind(1)
    cones = torch.stack([x, y, torch.sigmoid(belief), torch.sigmoid(colour)], dim=2)
    return torch.where(filled[:, :, None], cones, torch.zeros_like(cones))


def _share_boxes(foot: Tensor, existence: Tensor, boxes: Tensor, rules: Rules) -> tuple[Tensor, Tensor, Tensor]:
    """How much of a box each slot has [B, 128], the logit of yellow that its boxes say, and how far they know a colour.

    A box is divided among the slots near it by the squared distance in gates, so that two slots do not both have all
    of it.
    """
    near = nearness_to_boxes(foot.transpose(1, 2), boxes, rules.gate_pixels, rules.gate_heights)
    claim = near * existence[:, :, None] * (boxes[:, :, 5] > 0.5)[:, None]
    share = claim / (1e-3 + claim.sum(1, keepdim=True)) * near  # [B, 128, 64]
    match = share.sum(2).clamp(max=1.0)
    weight = share / share.sum(2, keepdim=True).clamp(min=1e-6)
    yellow = boxes[:, :, 4]
    knows = (weight * (yellow != 0.5)[:, None]).sum(2)
    return match, (weight * (10.0 * (yellow - 0.5))[:, None]).sum(2), knows
