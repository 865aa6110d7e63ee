"""The fork: a trunk whose output two branches read."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from drivetrain import System, component, system

from .digits import SIDE

PIXELS = SIDE * SIDE


def build(seed: int = 0) -> System:
    """The fork with the weights that every arm of a seed starts from."""
    torch.manual_seed(seed)
    cleaner = component("cleaner", Cleaner(), "picture -> clean")
    reader = component("reader", head(10), "clean -> digit")
    looker = component("looker", head(2), "clean -> side")

    @system
    def post_office(picture: Tensor) -> dict[str, Tensor]:
        clean = cleaner(picture)
        return {"digit": reader(clean), "side": looker(clean)}

    return post_office


class Cleaner(nn.Module):
    """picture [batch, 64] -> clean [batch, 64]: what the picture was before the noise."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(PIXELS, 96, bias=False), nn.BatchNorm1d(96), nn.ReLU(), nn.Linear(96, PIXELS)
        )

    def forward(self, picture: Tensor) -> Tensor:
        """The picture without noise."""
        cleaned: Tensor = self.layers(picture)
        return cleaned


def head(classes: int) -> nn.Module:
    """Clean [batch, 64] -> logits [batch, classes]."""
    return nn.Sequential(nn.Linear(PIXELS, 32), nn.ReLU(), nn.Linear(32, classes))
