"""Several cars trained from different starts, asked together: each model's answer is the mean of its members'."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from drivetrain import System, component

SIGNATURES = {
    "lidar": "scan -> hits",
    "intensity": "picture, scan, feet, boxes -> tints",
    "projection": "scan, rig -> feet",
}


class Mean(nn.Module):
    """The mean of what its members answer (Lakshminarayanan et al. 2017 average probabilities; here logits)."""

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, *inputs: Tensor) -> Tensor:
        return torch.stack([member(*inputs) for member in self.members]).mean(dim=0)


def committee(systems: Sequence[System]) -> System:
    """The first system with every model that learns replaced by the mean of that model in all systems."""
    if len(systems) == 1:
        return systems[0]
    joined: dict[str, Any] = {
        name: component(name, Mean([system.component(name).thing for system in systems]), signature)
        for name, signature in SIGNATURES.items()
    }
    return systems[0].replace(**joined)
