"""The recorded cone pictures `fs_cones`: read, split by blocks of frame numbers, and cut into tiles."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from drivetrain.errors import DataError

CLASSES = ("orange", "blue", "yellow")  # big orange, blue, yellow, as numbered in the labels
BLOCKS = 10  # of consecutive frames
TUNING, HELD_OUT = (2, 7), (4, 9)  # numbers of blocks
GAP = 5  # pictures left out between blocks of different use; 15 frames lie between two pictures
TILE = 128  # pixels


@dataclass(frozen=True)
class Picture:
    """A recorded picture, 1024 x 256 pixels, and its boxes."""

    frame: int  # number in the recording
    path: Path
    boxes: Tensor  # [n, 5] class, centre x, centre y, width, height in pixels

    def pixels(self) -> Tensor:
        """[3, height, width] in 0..1."""
        with Image.open(self.path) as picture:
            return torch.from_numpy(np.asarray(picture.convert("RGB")).copy()).movedim(2, 0) / 255


def read_pictures(path: str | os.PathLike[str] | None = None) -> tuple[Picture, ...]:
    """All pictures of a folder in order of frame number.

    The folder is by default $DRIVETRAIN_DATA/fs_cones, else ../shared/data/fs_cones.
    Raises DataError, with where the pictures come from, when there are none, and for an unreadable label file.
    """
    folder = Path(path or Path(os.environ.get("DRIVETRAIN_DATA", "../shared/data")) / "fs_cones")
    files = sorted((folder / "images").glob("*.jpg"))
    if not files:
        raise DataError(
            f"no pictures in {folder / 'images'}: they are Formula-Student-Cones-1 of universe.roboflow.com/"
            "workspaceendeavor360 (CC BY 4.0), one picture in three, cropped to 1024 x 256 pixels. Say where they are: "
            'read_pictures("folder/of/fs_cones"), or set DRIVETRAIN_DATA to its parent'
        )
    return tuple(Picture(int(file.stem), file, _boxes(folder / "labels" / f"{file.stem}.txt", file)) for file in files)


def split(pictures: Sequence[Picture]) -> tuple[list[Picture], list[Picture], list[Picture]]:
    """Training, tuning and held-out pictures, by blocks of frame numbers; never at random.

    Neighbouring frames show the same cones, so a random split would test on what was trained on. All is one recording
    all the same: a held-out block shows new stretches, not a new day.
    """
    ordered = sorted(pictures, key=lambda picture: picture.frame)
    parts: tuple[list[Picture], list[Picture], list[Picture]] = ([], [], [])
    edges = [round(number * len(ordered) / BLOCKS) for number in range(BLOCKS + 1)]
    for number, (first, last) in enumerate(pairwise(edges)):
        use = 1 if number in TUNING else 2 if number in HELD_OUT else 0
        parts[use].extend(ordered[first:last] if use else ordered[first + GAP : last - GAP])
    return parts


def cut(picture: Picture, generator: torch.Generator, *, by_colour: bool = True) -> tuple[Tensor, Tensor]:
    """A random tile [3, TILE, TILE] at full resolution that holds one of the cones, and its boxes [n, 5] in pixels.

    Which cone is drawn among all, or `by_colour`: first one of the picture's colours, then a cone of that colour.
    A box belongs to the tile that holds its centre, and is clipped to the tile. Half of the tiles are mirrored; a
    cone's colour is its own, so classes stay. A picture without cones is cut anywhere.
    """
    pixels, boxes = picture.pixels(), picture.boxes
    size = torch.tensor([pixels.shape[2], pixels.shape[1]])
    corner = torch.rand(2, generator=generator) * (size - TILE)
    if len(boxes):
        drawn = boxes
        if by_colour:
            colours = boxes[:, 0].unique()
            drawn = boxes[boxes[:, 0] == colours[torch.randint(len(colours), (), generator=generator)]]
        chosen = drawn[int(torch.randint(len(drawn), (), generator=generator)), 1:3]
        corner = chosen - TILE * torch.rand(2, generator=generator)
    left, top = corner.clamp(torch.zeros(2), size - TILE).long().tolist()
    tile = pixels[:, top : top + TILE, left : left + TILE]
    place, half = boxes[:, 1:3] - torch.tensor([left, top]), boxes[:, 3:] / 2
    inside = ((place >= 0) & (place < TILE)).all(dim=1)
    low, high = (place - half).clamp(0, TILE)[inside], (place + half).clamp(0, TILE)[inside]
    boxes = torch.cat([boxes[inside, :1], (low + high) / 2, high - low], dim=1)
    if torch.rand((), generator=generator) < 0.5:
        tile = tile.flip(2)
        boxes[:, 1] = TILE - boxes[:, 1]
    return tile, boxes


def _boxes(labels: Path, picture: Path) -> Tensor:
    """A label file, whose values are shares of the picture, in pixels; an empty file is a picture without cones."""
    try:
        rows = [[float(word) for word in line.split()] for line in labels.read_text().splitlines() if line.strip()]
        boxes = torch.tensor(rows).reshape(-1, 5)
    except (OSError, ValueError, RuntimeError) as reason:
        raise DataError(
            f"{labels} is no label file of five numbers a line (class x y width height): {reason}"
        ) from None
    with Image.open(picture) as opened:  # reads the size alone
        width, height = opened.size
    return boxes * torch.tensor([1.0, width, height, width, height])
