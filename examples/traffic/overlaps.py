"""How much two boxes overlap: the intersection by the union."""

from __future__ import annotations

import torch
from torch import Tensor


def overlaps(one: Tensor, other: Tensor) -> Tensor:
    """Boxes (centre, size) [n, 4] and [m, 4] to [n, m], 0 to 1."""
    low = torch.maximum(_low(one)[:, None], _low(other)[None])
    high = torch.minimum(_high(one)[:, None], _high(other)[None])
    shared = (high - low).clamp(min=0).prod(-1)
    return shared / (one[:, 2:].prod(-1)[:, None] + other[:, 2:].prod(-1)[None] - shared).clamp(min=1e-9)


def _low(boxes: Tensor) -> Tensor:
    return boxes[:, :2] - boxes[:, 2:] / 2


def _high(boxes: Tensor) -> Tensor:
    return boxes[:, :2] + boxes[:, 2:] / 2
