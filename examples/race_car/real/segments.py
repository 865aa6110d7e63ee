"""Cuts a scan into segments, neighbouring returns that lie close together; each is a slot for one cone."""

from __future__ import annotations

import torch
from torch import Tensor

from examples.race_car.real.scan import beam_angles

SLOTS = 128  # the fullest recorded scan has 116 segments
REACH = 15.6  # metres; a little beyond the 15 m that count, so that a cone at 15 m is not cut off
STEP = 0.3  # metres between neighbours of one segment; cones stand further apart


def places(scan: Tensor) -> Tensor:
    """Where each beam ended, [B, 2, 720]: x, y in metres; the sensor itself where nothing came back."""
    angles = torch.as_tensor(beam_angles(), device=scan.device)
    return torch.stack([scan[:, 0] * angles.cos(), scan[:, 0] * angles.sin()], dim=1)


def segments(scan: Tensor) -> Tensor:
    """The slot of each beam [B, 720], left to right; -1 without a return in reach or a slot that is free."""
    usable = (scan[:, 2] > 0.5) & (scan[:, 0] < REACH)
    place = places(scan)
    index = torch.arange(scan.shape[2], device=scan.device).expand_as(usable)
    last = torch.where(usable, index, -1).cummax(dim=1).values
    previous = torch.nn.functional.pad(last[:, :-1], (1, 0), value=-1)  # the last usable beam before this one
    before = place.gather(2, previous.clamp(min=0)[:, None].expand_as(place))
    starts = usable & ((previous < 0) | ((place - before).square().sum(dim=1) > STEP**2))
    slot = starts.cumsum(dim=1) - 1
    return torch.where(usable & (slot < SLOTS), slot, -1)


def sum_by_slot(values: Tensor, slot: Tensor) -> Tensor:
    """Adds up what the beams of a slot say: values [B, C, 720], slot [B, 720] -> [B, C, 128]."""
    spare = torch.where(slot < 0, SLOTS, slot)[:, None].expand_as(
        values
    )  # one slot too many takes the beams without one
    total = values.new_zeros(*values.shape[:2], SLOTS + 1)
    return total.scatter_add(2, spare, values)[:, :, :SLOTS]
