"""Pictures that look alike: 256 bits each, whether a grey cell is darker than its neighbour (difference hash)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from .picture import Picture, Pixels

NEAR = 64  # of 256 bits; the nearest pairs, looked at, show one place seconds apart up to about sixty


def looks(pixels: Pixels) -> npt.NDArray[np.bool_]:
    """The bits of a picture: 16 rows of 17 cells, each compared with the next."""
    grey = Image.fromarray(pixels.transpose(1, 2, 0)).convert("L").resize((17, 16), Image.Resampling.BILINEAR)
    cells = np.asarray(grey, np.int16)
    return (cells[:, 1:] > cells[:, :-1]).flatten()


def far_from(pictures: Sequence[Picture], others: Sequence[Picture]) -> list[Picture]:
    """The pictures that look like none of the others."""
    if not others:
        return list(pictures)
    seen = np.stack([looks(other.pixels) for other in others])
    return [picture for picture in pictures if (looks(picture.pixels) ^ seen).sum(1).min() > NEAR]


def places(pictures: Sequence[Picture]) -> npt.NDArray[np.int64]:
    """A number a picture; those that look alike, one by one, have the same, and count as one place in intervals."""
    if not pictures:
        return np.zeros(0, np.int64)
    bits = np.stack([looks(picture.pixels) for picture in pictures])
    number = np.arange(len(pictures))
    for row in range(len(pictures)):
        alike = (bits[row] ^ bits).sum(1) <= NEAR
        joined = np.isin(number, number[alike])
        number[joined] = number[joined].min()
    return number
