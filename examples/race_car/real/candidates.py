"""What the LiDAR's models look at: the segments of a scan that may be cones, as rows of numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from examples.race_car.real.scan import BEAM_DEGREES
from examples.race_car.real.segments import SLOTS, places, segments, sum_by_slot

MOST = 32  # candidates of a frame: the narrowest and nearest segments; the fullest frame has 25 on labelled cones
CONE_WIDTH = 0.25  # metres
SHAPES = 9  # numbers that say what a candidate looks like
TURN, SHIFT, LOST = 0.3, 0.3, 0.1  # radians, metres, share of candidates: what `unsettled` changes in training


@dataclass(frozen=True)
class Candidates:
    """T segments of each frame, from left to right.

    Attributes:
        slot: [B, 720] the slot of each beam, -1 without one.
        chosen: [B, T] the slot of each candidate.
        count: [B, 1, 128] how many beams each slot has.
        present: [B, T] whether there is a candidate; frames have fewer than T.
        place: [B, T, 2] x, y in metres, the mean of the returns.
        shape: [B, T, 9] returns, returns over those that a cone would give, width, distance, nearness, height, and how
            near the three nearest candidates are.
    """

    slot: Tensor
    chosen: Tensor
    count: Tensor
    present: Tensor
    place: Tensor
    shape: Tensor

    def mean(self, values: Tensor) -> Tensor:
        """What the beams of each candidate say on average: [B, C, 720] -> [B, T, C]."""
        return _pick(sum_by_slot(values, self.slot) / self.count.clamp(min=1.0), self.chosen)

    def to_beams(self, values: Tensor, otherwise: float) -> Tensor:
        """Gives each beam what its candidate says: [B, C, T] -> [B, C, 720]."""
        outside = values.new_full((*values.shape[:2], SLOTS + 1), otherwise)
        index = torch.where(self.present, self.chosen, SLOTS)
        by_slot = outside.scatter(2, index[:, None].expand_as(values), values)
        by_slot = torch.cat([by_slot[:, :, :SLOTS], outside[:, :, SLOTS:]], dim=2)  # what the empty ones wrote is gone
        beam = torch.where(self.slot < 0, SLOTS, self.slot)
        return by_slot.gather(2, beam[:, None].expand(-1, values.shape[1], -1))


def candidates(scan: Tensor) -> Candidates:
    """The candidates of scans [B, 4, 720]."""
    with torch.no_grad():
        slot, place = segments(scan), places(scan)
        inside = torch.cat([torch.ones_like(scan[:, :1]), place, place.square(), scan[:, 3:4]], dim=1)
        sums = sum_by_slot(inside, slot)
        count = sums[:, :1]
        mean = sums[:, 1:] / count.clamp(min=1.0)
        width = (mean[:, 2:4] - mean[:, :2].square()).clamp(min=0.0).sum(1).sqrt()
        doubt = (width + 0.02 * mean[:, :2].square().sum(1).sqrt()).masked_fill(count[:, 0] < 0.5, torch.inf)
        most = max(1, min(MOST, int((count[:, 0] > 0.5).sum(1).max())))
        chosen = doubt.topk(most, dim=1, largest=False).indices.sort(dim=1).values
        here, number, wide = _pick(mean, chosen), _pick(count, chosen)[:, :, 0], width.gather(1, chosen)
        present = number > 0.5
        distance = here[:, :, :2].square().sum(2).sqrt()
        expected = CONE_WIDTH / (distance.clamp(min=1.0) * math.radians(BEAM_DEGREES))
        apart = torch.cdist(here[:, :, :2], here[:, :, :2]).masked_fill(~present[:, None], 10.0).clamp(max=10.0)
        apart = apart + 10.0 * torch.eye(most, device=scan.device)
        near = torch.nn.functional.pad(apart, (0, 3), value=10.0).sort(dim=2).values[:, :, :3].clamp(max=10.0)
        looks = torch.stack(
            [
                number.log1p(),
                number / expected / 2,
                5 * wide,
                distance / 10,
                2 / distance.clamp(min=1.0),
                here[:, :, 4],
            ],
            dim=2,
        )
        shape = torch.cat([looks, near.log1p()], dim=2) * present[:, :, None]
    return Candidates(slot, chosen, count, present, here[:, :, :2], shape)


def unsettled(place: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
    """The same frames seen from a car that stands and heads a little otherwise, a tenth of the candidates unseen."""
    angle = (2 * torch.rand_like(place[:, 0, 0]) - 1) * TURN
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], dim=1).view(-1, 2, 2)
    moved = place @ turn.transpose(1, 2) + SHIFT * torch.randn_like(place[:, :1])
    return moved, present & (torch.rand_like(place[:, :, 0]) > LOST)


def _pick(values: Tensor, chosen: Tensor) -> Tensor:
    """[B, C, 128] at the chosen slots: [B, T, C]."""
    return values.gather(2, chosen[:, None].expand(-1, values.shape[1], -1)).transpose(1, 2)
