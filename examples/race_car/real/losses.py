"""The losses of the real car's edges; every one leaves out what has no label, and is zero where nothing has one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, smooth_l1_loss

from examples.race_car import losses as simulated
from examples.race_car.real.dataset import FARTHEST, NEAREST
from examples.race_car.real.scoring import IGNORED_REACH
from examples.race_car.truth import padded

HIT_WEIGHT = 2.0  # of a beam on a cone; one in seven is


def hit_loss(prediction: Tensor, truth: Tensor) -> Tensor:
    """Cross entropy of beam logits [B, 720] against 0 and 1; NaN is no label."""
    known = torch.isfinite(truth)
    loss = binary_cross_entropy_with_logits(
        prediction[known], truth[known], pos_weight=prediction.new_tensor(HIT_WEIGHT), reduction="sum"
    )
    return loss / known.sum().clamp(min=1)


def tint_loss(prediction: Tensor, truth: Tensor) -> Tensor:
    """Cross entropy of [B, 3, 720] logits for nothing, blue, yellow against classes [B, 720]; NaN is no label."""
    known = torch.isfinite(truth)
    weight = prediction.new_tensor([1.0, HIT_WEIGHT, HIT_WEIGHT])
    loss = cross_entropy(prediction.transpose(1, 2)[known], truth[known].long(), weight=weight, reduction="sum")
    return loss / known.sum().clamp(min=1)


def foot_loss(prediction: Tensor, truth: Tensor) -> Tensor:
    """Huber loss of projected feet [B, 2, 720], quadratic up to 20 pixels; NaN on either side is no label.

    Its unit is the pixel of a picture 2048 wide: a foot 20 pixels off costs 10.
    """
    known = torch.isfinite(prediction) & torch.isfinite(truth)
    loss = smooth_l1_loss(1024 * prediction[known], 1024 * truth[known], beta=20.0, reduction="sum")
    return loss / known.sum().clamp(min=1)


def cone_loss(prediction: Tensor, truth: Sequence[Tensor]) -> dict[str, Tensor]:
    """The end loss of the simulated car, in which what the rules ignore is neither missed nor invented.

    Three terms, `existence`, `position` and `colour`; see `examples.race_car.losses.cone_loss` for prices and
    assignment.
    """
    in_view = [cones[torch.isfinite(cones[:, 2])] for cones in truth]
    counts = _counts(prediction.detach(), truth)
    return simulated.cone_loss(torch.where(counts[:, :, None], prediction, torch.zeros_like(prediction)), in_view)


def _counts(slots: Tensor, truth: Sequence[Tensor]) -> Tensor:
    """Which slots [B, S] the end loss may look at: those in range, and not nearest to an ignored cone."""
    distance = slots[:, :, :2].square().sum(dim=2).sqrt()
    counts = (distance >= NEAREST) & (distance <= FARTHEST)
    cones, real = padded(truth)
    if cones.shape[1] == 0:
        return counts
    apart = torch.cdist(slots[:, :, :2], cones[:, :, :2].to(slots)).masked_fill(~real[:, None], torch.inf)
    gap, nearest = apart.min(dim=2)
    ignored = torch.isnan(cones[:, :, 2]).gather(1, nearest)
    return counts & ~((gap < IGNORED_REACH) & ignored)
