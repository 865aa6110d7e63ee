"""A training picture anew: nearer or farther, in other light, and with objects of other pictures laid into it.

Lights and signs come from pictures of different origins. A detector could learn the origin in place of the object;
objects that are laid into pictures of the other origin forbid that (Ghiasi et al. 2021, "Simple copy-paste").
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .picture import SIZE, Boxes, Picture

LEAST_SEEN = 0.6  # of a box inside the picture, else it counts as out of it


class Cutting(NamedTuple):
    """An object cut out of a training picture: uint8 [3, height, width]."""

    family: str
    kind: int
    pixels: Tensor


class Anew(NamedTuple):
    """A picture as training sees it.

    Attributes:
        pixels: uint8 [3, 320, 320].
        boxes: of each labelled family.
        laid: of each family that is not labelled, what was laid in: known there, unknown elsewhere.
    """

    pixels: Tensor
    boxes: dict[str, Boxes]
    laid: dict[str, Boxes]


def cuttings(pictures: Sequence[Picture]) -> list[Cutting]:
    """Every object of the pictures that has at least 12 pixels a side."""
    found = []
    for picture in pictures:
        for family, boxes in picture.boxes.items():
            for kind, x, y, width, height in boxes.tolist():
                left, top = max(int((x - width / 2) * SIZE), 0), max(int((y - height / 2) * SIZE), 0)
                cut = picture.pixels[:, top : int((y + height / 2) * SIZE), left : int((x + width / 2) * SIZE)]
                if min(cut.shape[1:]) >= 12:
                    found.append(Cutting(family, int(kind), torch.from_numpy(cut.copy())))
    return found


def anew(picture: Picture, bank: Sequence[Cutting], drawing: np.random.Generator, *, mirror: bool) -> Anew:
    """The picture as it comes out this time; mirrored digits are no digits, so ``mirror`` is for finding alone."""
    pixels, boxes = _zoomed(torch.from_numpy(picture.pixels), picture.boxes, drawing)
    laid: dict[str, Boxes] = {}
    for _ in range(int(drawing.integers(0, 3)) if bank else 0):
        _lay(pixels, bank[int(drawing.integers(len(bank)))], boxes, laid, drawing)
    if mirror and drawing.random() < 0.5:
        pixels = pixels.flip(2)
        for found in (boxes, laid):
            for family, rows in found.items():
                found[family] = rows * np.float32([1, -1, 1, 1, 1]) + np.float32([0, 1, 0, 0, 0])
    gain = torch.from_numpy(drawing.uniform(0.6, 1.3) * drawing.uniform(0.9, 1.1, (3, 1, 1))).float()
    lift = float(drawing.uniform(-25, 25))
    return Anew((pixels.float() * gain + lift).clamp(0, 255).to(torch.uint8), boxes, laid)


def _zoomed(pixels: Tensor, boxes: dict[str, Boxes], drawing: np.random.Generator) -> tuple[Tensor, dict[str, Boxes]]:
    """Nearer: a part of it, around an object; farther: smaller, on a ground of one colour."""
    every = np.concatenate(list(boxes.values()))
    largest = float(every[:, 3:].max())
    zoom = np.exp(
        drawing.uniform(np.log(0.15 / largest), np.log(0.85)) if largest > 0.5 else drawing.uniform(-0.4, 0.6)
    )
    zoom = min(zoom, 0.9 / largest)
    shape = np.exp(drawing.uniform(-0.12, 0.12, 2)) * zoom  # how much wider and higher things become
    around = every[int(drawing.integers(len(every))), 1:3]
    place = np.zeros(2)
    for axis, scale in enumerate(shape):  # where the old picture's edge comes to lie, as a share of the new one
        place[axis] = drawing.uniform(0.15, 0.85) - scale * around[axis] if scale > 1 else drawing.uniform(0, 1 - scale)
        place[axis] = np.clip(place[axis], min(1 - scale, 0), max(1 - scale, 0))
    fresh = _placed(pixels, place, shape)
    moved = {}
    for family, rows in boxes.items():
        centre, size = rows[:, 1:3] * shape + place, rows[:, 3:] * shape
        low, high = np.clip(centre - size / 2, 0, 1), np.clip(centre + size / 2, 0, 1)
        seen = (high - low).clip(0).prod(1) >= LEAST_SEEN * size.prod(1)
        part = np.concatenate([rows[:, :1], (low + high) / 2, high - low], 1)[seen]
        moved[family] = part.astype(np.float32)
    return fresh, moved


def _placed(pixels: Tensor, place: np.ndarray, shape: np.ndarray) -> Tensor:  # type: ignore[type-arg]
    low = np.clip(-place / shape, 0, 1)  # the part of the old picture that is seen
    high = np.clip((1 - place) / shape, 0, 1)
    (left, top), (right, bottom) = (low * SIZE).astype(int), np.maximum((high * SIZE).astype(int), 8)
    seen = pixels[:, top:bottom, left:right]
    (x, y), (x1, y1) = (np.clip(place, 0, 1) * SIZE).astype(int), (np.clip(place + shape, 0, 1) * SIZE).astype(int)
    fresh = pixels[:, ::16, ::16].float().mean((1, 2)).to(torch.uint8)[:, None, None].repeat(1, SIZE, SIZE)
    fresh[:, y:y1, x:x1] = _resized(seen, (y1 - y, x1 - x))
    return fresh


def _resized(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    last = pixels[None].contiguous(memory_format=torch.channels_last)  # many times faster than planes, for bytes
    return F.interpolate(last, size=size, mode="bilinear", antialias=size[0] < pixels.shape[1])[0]


def _lay(
    pixels: Tensor, cut: Cutting, boxes: dict[str, Boxes], laid: dict[str, Boxes], drawing: np.random.Generator
) -> None:
    """Lay an object in where none is; nothing happens where no place is found at once."""
    long = np.exp(drawing.uniform(np.log(16), np.log(100)))
    scale = long / max(cut.pixels.shape[1:])
    height, width = (max(int(side * scale), 8) for side in cut.pixels.shape[1:])
    x, y = int(drawing.integers(0, SIZE - width)), int(drawing.integers(0, SIZE - height))
    box = np.float32([cut.kind, (x + width / 2) / SIZE, (y + height / 2) / SIZE, width / SIZE, height / SIZE])
    for rows in (*boxes.values(), *laid.values()):
        apart = np.abs(rows[:, 1:3] - box[1:3]) > (rows[:, 3:] + box[3:]) / 2
        if not apart.any(1).all():
            return
    mask = _mask(height, width) if cut.family == "signs" else torch.ones(height, width)
    under = pixels[:, y : y + height, x : x + width].float()
    over = _resized(cut.pixels, (height, width)).float()
    pixels[:, y : y + height, x : x + width] = (under + mask * (over - under)).to(torch.uint8)
    target = boxes if cut.family in boxes else laid
    target[cut.family] = np.concatenate([target.get(cut.family, np.zeros((0, 5), np.float32)), box[None]])


def _mask(height: int, width: int) -> Tensor:
    """One inside the ellipse, zero in the corners."""
    y = (torch.arange(height) + 0.5) / height * 2 - 1
    x = (torch.arange(width) + 0.5) / width * 2 - 1
    return ((1.08 - (x.square() + y[:, None].square()).sqrt()) * 8).clamp(0, 1)
