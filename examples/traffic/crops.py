"""The code between the detector and the readers: the likeliest places of each family, cut out of the picture."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from drivetrain import component

GRID = 20  # cells a side
CANDIDATES = 4  # of each family
CROP = 32  # pixels a side
LAMP = 8  # patches a side of what the light's reader sees


@component("map, picture -> spots, lamps[], plates")
def crop(map: Tensor, picture: Tensor) -> tuple[Tensor, list[Tensor], Tensor]:  # noqa: A002 - the edge's name
    """The highest cells of each family, none beside another, and what is seen there.

    map [batch, 2, 5, 20, 20]; picture uint8 [batch, 3, 320, 320].
    spots [batch, 2, 4, 5]: logit, centre and size as shares of the picture. lamps: [4, 192] a picture, -1 to 1.
    plates [batch, 4, 32, 32, 3]. The gradient reaches the chosen cells through their logits, places and sizes; a cell
    that was not chosen gets none.
    """
    spots = candidates(map)
    lamps, plates = crops_at(picture, spots[..., 1:].flatten(1, 2)).chunk(2, 1)
    return spots, list(lamp_features(lamps)), plates


def candidates(map: Tensor) -> Tensor:  # noqa: A002
    """[batch, 2, 5, grid, grid] to [batch, 2, candidates, 5]."""
    logit = map[:, :, 0]
    peak = logit >= F.max_pool2d(logit, 3, 1, 1)
    order = torch.where(peak, logit, logit - 1e4).flatten(2).topk(CANDIDATES, 2).indices
    values = map.flatten(3).gather(3, order[:, :, None].expand(-1, -1, 5, -1)).transpose(2, 3)
    column, row = order % GRID, order // GRID
    x, y = (column + values[..., 1]) / GRID, (row + values[..., 2]) / GRID
    sizes = values[..., 3:].clamp(-1.5, 3.3).exp() / GRID
    return torch.cat([values[..., :1], x[..., None], y[..., None], sizes], -1)


def crops_at(picture: Tensor, boxes: Tensor) -> Tensor:
    """Boxes [batch, n, 4] (centre, size) cut out: [batch, n, 32, 32, 3], -1 to 1; differentiable in the boxes."""
    steps = (torch.arange(CROP, device=picture.device) + 0.5) / CROP - 0.5
    x = boxes[..., 0, None] + 1.1 * boxes[..., 2, None] * steps
    y = boxes[..., 1, None] + 1.1 * boxes[..., 3, None] * steps
    batch, count = boxes.shape[:2]
    grid = torch.stack([x[:, :, None, :].expand(-1, -1, CROP, -1), y[..., None].expand(-1, -1, -1, CROP)], -1) * 2 - 1
    pixels = picture.float()
    seen = F.grid_sample(pixels, grid.flatten(1, 2).to(pixels), align_corners=False, padding_mode="border") / 127.5 - 1
    return seen.unflatten(2, (count, CROP)).permute(0, 2, 3, 4, 1).reshape(batch, count, CROP, CROP, 3)


def lamp_features(crops: Tensor) -> Tensor:
    """Crops [..., 32, 32, 3] to the mean colours of 8 x 8 patches, [..., 192]."""
    parts = crops.unflatten(-3, (LAMP, CROP // LAMP)).unflatten(-2, (LAMP, CROP // LAMP))
    return parts.mean((-4, -2)).flatten(-3)
