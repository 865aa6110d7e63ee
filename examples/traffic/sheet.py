"""A sheet of pictures with what the fork found in them, for one's own eyes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw

from drivetrain import System

from .picture import FAMILIES, Picture

SIDE = 208  # pixels of a picture on the sheet
COLOURS = {"lights": (255, 220, 0), "signs": (255, 0, 220)}


@torch.no_grad()
def sheet(system: System, pictures: Sequence[Picture], columns: int = 6) -> Image.Image:
    """Truth in thin white; what was found in yellow (lights) and magenta (signs), with its class and probability."""
    rows = -(-len(pictures) // columns)
    whole = Image.new("RGB", (columns * SIDE, rows * SIDE))
    system.eval()
    outputs = [torch.cat(part) for part in zip(*(_found(system, picture) for picture in pictures), strict=True)]
    for place, picture in enumerate(pictures):
        seen = Image.fromarray(np.ascontiguousarray(picture.pixels.transpose(1, 2, 0))).resize((SIDE, SIDE))
        pen = ImageDraw.Draw(seen)
        for boxes in picture.boxes.values():
            for _, *box in boxes.tolist():
                pen.rectangle(_corners(box), outline=(255, 255, 255))
        for (family, classes), found in zip(FAMILIES.items(), outputs, strict=True):
            for spot in found[place]:
                chance, kind = spot[4:].max(0)
                if chance > 0:
                    corners = _corners(spot[:4].tolist())
                    pen.rectangle(corners, outline=COLOURS[family], width=2)
                    said = f"{classes[int(kind)].removeprefix('limit ')} {chance:.2f}"
                    pen.text((corners[0], max(corners[1] - 11, 0)), said, fill=COLOURS[family])
        whole.paste(seen, (place % columns * SIDE, place // columns * SIDE))
    return whole


def _found(system: System, picture: Picture) -> tuple[torch.Tensor, ...]:
    found: tuple[torch.Tensor, ...] = system(torch.from_numpy(picture.pixels)[None])
    return found


def _corners(box: Sequence[float]) -> tuple[float, float, float, float]:
    x, y, width, height = (SIDE * value for value in box)
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2
